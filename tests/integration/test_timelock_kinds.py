"""Every kind of timelock by its own events, as a provider gives them; the kinds OpenZeppelin did not write."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from monitoring.alerts.message.model import Severity
from monitoring.chains.abi.addresses import checksum
from monitoring.chains.abi.function import Event, encode, parse_function
from monitoring.chains.decode.unwrap import unpack_script
from monitoring.checks.builtin.timelocks.kinds import KINDS, What, signals
from tests.support.monitor_world import Told, monitor_world
from tests.support.rpc_server import Failure, Provider, event_log, serving

AT = checksum("0x" + "77" * 20)
TARGET = checksum("0x" + "a1" * 20)
ROLE = b"\x07" * 32
OWN = parse_function("transferOwnership(address)").encode([TARGET])
ETA = 1_800_000_000  # 2027-01-15 08:00 UTC


def log_of(kind: str, name: str, block: int = 290_000, **values: Any) -> dict[str, Any]:
    """A log as the contract would emit it."""
    event = next(one for one in signals(kind).values() if one.name == name).event
    assert isinstance(event, Event)
    indexed = [field for field in event.fields if field.indexed]
    plain = [field for field in event.fields if not field.indexed]
    topics = ["0x" + encode([field.kind], [values[field.name]], name).hex() for field in indexed]
    data = encode([field.kind for field in plain], [values[field.name] for field in plain], name)
    return event_log(block, address=AT, topic=event.topic) | {
        "topics": [event.topic, *topics],
        "data": "0x" + data.hex(),
    }


def note_of(function: str, *arguments: Any) -> dict[str, Any]:
    """What Sky's pause logs of a call: its selector as topic, the whole call as data."""
    call = parse_function(function).encode(arguments)
    topics = ["0x" + call[:4].hex().ljust(64, "0"), "0x" + "0" * 64, "0x" + "0" * 64, "0x" + "0" * 64]
    data = encode(parse_function("f(uint256,bytes)").inputs, [0, call], "LogNote")
    return event_log(290_000, address=AT) | {"topics": topics, "data": "0x" + data.hex()}


def told_of(tmp_path: Path, kind: str, *logs: dict[str, Any], **how: Any) -> Told:
    path = tmp_path / "monitor.yaml"
    row = f'{{name: Clock, chain: mainnet, address: "{AT}", protocol: clock, kind: {kind}, min_delay: 2d}}'
    path.write_text(f"monitor: timelocks\nchain: mainnet\ntimelocks: {{first_run_lookback: 14d, rows: [{row}]}}\n")
    provider = Provider(head=300_000, head_time=time.time, logs=list(logs), **how)
    with serving(provider) as urls:
        (told,) = monitor_world(path, {"PROVIDER_URL_MAINNET": urls[0]}).run().told
    return told


def queued(data: bytes, signature: str = "", place: int = 0) -> dict[str, Any]:
    log = log_of(
        "compound_timelock",
        "QueueTransaction",
        txHash=ROLE,
        target=TARGET,
        value=0,
        signature=signature,
        data=data,
        eta=ETA,
    )
    return log | {"logIndex": hex(place)}


def test_a_proposal_queued_call_by_call_on_a_compound_timelock_is_one_operation(tmp_path: Path) -> None:
    told = told_of(tmp_path, "compound_timelock", queued(OWN[4:], "transferOwnership(address)"), queued(OWN, place=1))
    assert told.message.title.startswith("Clock (mainnet): operation scheduled, can run 2027-01-15 08:00 UTC (")
    assert told.text.count(f"transferOwnership on {TARGET}") == 2
    assert told.text.count("HIGH ownership: transferOwnership") == 2


def test_a_compound_timelock_s_own_changes_are_told(tmp_path: Path) -> None:
    kind = "compound_timelock"
    told = told_of(
        tmp_path, kind, log_of(kind, "NewDelay", newDelay=60), log_of(kind, "NewAdmin", 290_001, newAdmin=TARGET)
    )
    assert told.message.title == "Clock (mainnet): 1 change of control, 1 change of the delay"
    assert told.severity is Severity.HIGH
    assert f"New admin: {TARGET}" in told.text
    assert "New delay: 1 min" in told.text


def test_an_aave_proposal_is_told_by_its_number_and_votes(tmp_path: Path) -> None:
    kind = "aave_governance_v3"
    log = log_of(kind, "ProposalQueued", proposalId=412, votesFor=650_000 * 10**18, votesAgainst=10**18)
    told = told_of(tmp_path, kind, log)
    assert "Can run: unknown: the event does not say" in told.text
    assert "Id: 412\nVotes for: 650,000\nVotes against: 1" in told.text


def test_what_an_execution_changed_is_not_looked_at_where_the_provider_does_not_have_its_block(tmp_path: Path) -> None:
    log = log_of("puffer_timelock", "TransactionExecuted", txHash=ROLE, target=TARGET, callData=OWN, operationId=9)

    def failing(method: str, _params: list[Any]) -> Failure | None:
        return Failure(-32000, "missing trie node") if method == "eth_getTransactionReceipt" else None

    told = told_of(tmp_path, "puffer_timelock", log, failing=failing)
    assert told.message.title == "Clock (mainnet): operation executed"
    assert "What it changed was not looked at: the provider does not have its block." in told.text


def script_of(*calls: tuple[str, bytes]) -> bytes:
    return b"\0\0\0\1" + b"".join(bytes.fromhex(to[2:]) + len(data).to_bytes(4, "big") + data for to, data in calls)


def test_a_vote_on_aragon_is_told_with_who_started_it_and_the_script_it_would_run(tmp_path: Path) -> None:
    log = log_of("aragon_voting", "StartVote", voteId=190, creator=TARGET, metadata="*Omnibus* vote")
    inside = parse_function("forward(bytes)").encode([script_of((TARGET, OWN))])
    vote = (True, False, 1, 2, 3, 4, 5, 6, 7, script_of((AT, inside), (TARGET, OWN)))
    views = {(AT, "getVote(uint256)(bool,bool,uint64,uint64,uint64,uint64,uint256,uint256,uint256,bytes)"): vote}
    told = told_of(tmp_path, "aragon_voting", log, views=views)
    assert f"Id: 190\nCreator: {TARGET}\nMetadata: *Omnibus* vote" in told.text
    assert told.text.count(f"transferOwnership on {TARGET}") == 2
    without = told_of(tmp_path, "aragon_voting", log)
    assert "Id: 190" in without.text


@pytest.mark.parametrize("end", range(1, 60, 7))
def test_a_script_cut_short_shows_the_calls_before(end: int) -> None:
    whole = script_of((TARGET, OWN), (TARGET, OWN))
    found = unpack_script(whole[:-end])
    assert [one.data for one in found.calls] == [OWN]
    assert found.problem.endswith("no call: not shown")
    assert unpack_script(b"\0\0\0\2" + whole).problem.endswith("not shown")


def test_a_maple_proposal_is_read_from_the_transaction_that_scheduled_it(tmp_path: Path) -> None:
    kind = "maple_governor_timelock"
    log = log_of(kind, "ProposalScheduled", proposalId=3, proposal=(ROLE, True, 1, ETA, ETA + 60))
    schedule = parse_function("scheduleProposals(address[],bytes[])").encode([[TARGET], [OWN]])
    execute = parse_function(
        "execTransaction(address,uint256,bytes,uint8,uint256,uint256,uint256,address,address,bytes)"
    ).encode([AT, 0, schedule, 0, 0, 0, 0, "0x" + "0" * 40, "0x" + "0" * 40, b""])
    sent = {"to": TARGET, "input": "0x" + execute.hex()}
    told = told_of(tmp_path, kind, log, transactions={log["transactionHash"]: sent})
    assert "can run 2027-01-15 08:00 UTC" in told.message.title
    assert f"HIGH ownership: transferOwnership\ntransferOwnership on {TARGET}" in told.text
    without = told_of(tmp_path, kind, log)
    assert "can run 2027-01-15 08:00 UTC" in without.message.title


def test_a_puffer_transaction_is_told_with_its_call(tmp_path: Path) -> None:
    kind = "puffer_timelock"
    log = log_of(kind, "TransactionQueued", txHash=ROLE, target=TARGET, callData=OWN, operationId=9, lockedUntil=ETA)
    told = told_of(tmp_path, kind, log)
    assert "can run 2027-01-15 08:00 UTC" in told.message.title
    assert f"transferOwnership on {TARGET}" in told.text


def test_a_spell_plotted_on_sky_s_pause_is_told_with_its_time(tmp_path: Path) -> None:
    spell = parse_function("execute()").encode([])
    told = told_of(tmp_path, "ds_pause", note_of("plot(address,bytes32,bytes,uint256)", TARGET, ROLE, spell, ETA))
    assert told.severity is Severity.HIGH
    assert "can run 2027-01-15 08:00 UTC" in told.message.title
    assert f"usr: {TARGET}" in told.text
    shorter = told_of(tmp_path, "ds_pause", note_of("setDelay(uint256)", 60))
    assert (shorter.severity, shorter.message.title) == (Severity.HIGH, "Clock (mainnet): change of the delay")


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_says_when_something_is_scheduled_and_when_it_ran(kind: str) -> None:
    assert {What.SCHEDULED, What.EXECUTED} <= {signal.what for signal in signals(kind).values()}


@pytest.mark.parametrize("kind", KINDS)
def test_a_log_of_any_kind_that_holds_nonsense_is_told_all_the_same(tmp_path: Path, kind: str) -> None:
    signal = next(one for one in signals(kind).values() if one.what is What.SCHEDULED)
    for data in ("0x", "0x" + "ff" * 32, "0x" + "ff" * 64 * 40):
        told = told_of(tmp_path, kind, event_log(290_000, address=AT, topic=signal.topic) | {"data": data})
        assert told.severity is Severity.HIGH
        assert "operation scheduled" in told.message.title
