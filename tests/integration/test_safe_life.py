"""The life of a Safe transaction by real Safes on a local chain: each step is reported once, in the thread it began."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from monitoring.alerts.message.model import Severity
from monitoring.chains.abi.addresses import checksum
from monitoring.chains.decode.calldata import Transaction
from monitoring.chains.networks import network
from monitoring.checks.builtin.safes import transactions
from monitoring.checks.builtin.safes.executed import Content, Execution
from monitoring.checks.builtin.safes.life import Life as LifeBefore
from monitoring.checks.builtin.safes.life import LifeSight, LifeStage, Listing, News, advance, life_of
from tests.integration.test_safes import later, watching
from tests.support import anvil, parts
from tests.support.anvil import Anvil
from tests.support.contracts import Contract
from tests.support.monitor_world import MonitorWorld, Told
from tests.support.own_contracts import runtime_code
from tests.support.safes import CURATION, TARGET, SafeService, execute, execute_row, queued, safe_at, signed

pytestmark = pytest.mark.node
STRANGER = checksum("0x" + "5a" * 20)
SENDER = 5  # an account of the node that is no owner
Row = dict[str, Any]


@dataclass
class Life:
    """A Safe of two owners, both of whom must sign, its service, and who watches them."""

    node: Anvil
    safe: Contract
    service: SafeService
    world: MonitorWorld
    told: list[Told] = field(default_factory=list)

    def list(self, *rows: Row) -> None:
        self.service.rows["eth"] = list(rows)

    def run(self, *, asks: bool = True) -> list[str]:
        """Mine what confirms the rest, and run; return the titles of what is new."""
        self.node.mine(4, interval_s=0)  # later blocks would be of the future
        told = (later(self.world) if asks else self.world.run()).told
        self.told += told
        return [one.message.title.removeprefix("Curation (mainnet): ") for one in told]

    def execute(self, row: Row) -> str:
        return str(execute_row(self.safe, row, self.node.accounts[SENDER])["transactionHash"])

    def thread(self, row: Row) -> list[str]:
        name = f"safe-tx/1/{row['safeTxHash']}"
        return [one.message.title for one in self.told if name in one.message.threads]


@pytest.fixture(scope="module")
def chain() -> Iterator[Anvil]:
    if anvil.binary() is None:
        parts.missing(anvil.HOW_TO_GET_IT)
    with anvil.running("--chain-id", "1") as running:
        running.set_code(network(1).multicall3, runtime_code("Aggregate3"))
        execute(safe_at(running), "addOwnerWithThreshold", running.accounts[1], 2)
        yield running


@pytest.fixture
def life(chain: Anvil, tmp_path: Path) -> Iterator[Life]:
    snapshot, service = chain.snapshot(), SafeService()
    safe = parts.package("@safe-global/safe-contracts", "Safe").at(chain, CURATION)
    chain.mine(4)
    with watching(tmp_path, service, {"mainnet": chain.url}) as world:
        world.run()
        yield Life(chain, safe, service, world)
    chain.revert(snapshot)


def test_queued_signed_and_executed_are_three_messages_of_one_thread(life: Life) -> None:
    row = queued(1)
    life.list(signed(life.node, row, 0))
    assert life.run() == ["transaction queued at nonce 1"]
    both = signed(life.node, row, 0, 1)
    life.list(both)
    assert life.run() == ["transaction at nonce 1 can be executed now, 2 of 2 signed"]
    assert life.run() == []
    tx = life.execute(both)
    life.list()
    assert life.run() == ["transaction at nonce 1 was executed"]
    told = life.told[-1]
    assert f"Sent by: {checksum(life.node.accounts[SENDER])}" in told.text
    assert f"In: {tx}" in told.text
    assert f"Pauses {TARGET} (" in told.text
    assert "pause on" not in told.text  # a call without arguments is said once
    assert "LOW pause" not in told.text
    assert life.run() == []
    assert len(life.thread(row)) == 3


def test_what_the_chain_executed_and_the_queue_never_showed_is_reported_with_what_it_did(life: Life) -> None:
    row = signed(life.node, queued(1), 0, 1)
    life.execute(row)
    assert life.run() == ["transaction at nonce 1 was executed, which was not seen in its queue"]
    assert f"Pauses {TARGET} (" in life.told[-1].text
    assert life.run() == []


def test_what_an_execution_changed_is_shown_from_before_it_to_what_it_is_now(life: Life) -> None:
    lower = life.safe.artifact.calldata("changeThreshold", 1)
    row = signed(life.node, queued(1, to=CURATION, data=lower), 0, 1)
    life.execute(row)
    life.run()
    said = "\n".join(one.text for one in life.told if "What it did" in one.text)
    assert "(signatures required: 2 → 1; owners before: " in said
    assert "already" not in said


def test_a_rejection_replaces_what_it_rejects_and_each_has_its_end(life: Life) -> None:
    row, rejection = signed(life.node, queued(1), 0), signed(life.node, queued(1, "00", to=CURATION, data=None), 0, 1)
    life.list(row)
    life.run()
    life.list(row, rejection)
    assert life.run() == ["competing transaction queued at nonce 1"]
    life.execute(rejection)
    life.list()
    assert sorted(life.run()) == ["rejection at nonce 1 was executed", "transaction at nonce 1 was rejected"]
    assert life.run() == []


def test_what_was_signed_while_others_come_first_is_quiet_until_anybody_can_execute_it(life: Life) -> None:
    first, second = signed(life.node, queued(1), 0), signed(life.node, queued(2), 0)
    life.list(first, second)
    assert life.run() == ["2 transactions queued"]
    assert "Waits behind: nonce 1 (queued)" in life.told[-1].text
    both = signed(life.node, first, 0, 1), signed(life.node, second, 0, 1)
    life.list(first, both[1])
    assert life.run() == ["transaction at nonce 2 has all signatures, 2 of 2, and waits"]
    assert life.told[-1].severity is Severity.LOW
    assert "It can be executed once the Safe is at nonce 2; it is at 1." in life.told[-1].text
    life.execute(both[0])
    life.list(both[1])
    titles = life.run()
    assert sorted(titles) == [
        "transaction at nonce 1 was executed",
        "transaction at nonce 2 can be executed now, 2 of 2 signed",
    ]
    assert {one.severity for one in life.told[-2:]} == {Severity.MEDIUM}


def test_a_failed_execution_is_loud_and_says_that_the_nonce_is_used(life: Life) -> None:
    coin = parts.package("oz4", "ERC20PresetMinterPauser").deploy(life.node, "Coin", "COIN")
    data = coin.artifact.calldata("transfer", STRANGER, 1)
    row = signed(life.node, queued(1, to=coin.address, data=data, safeTxGas=90_000), 0, 1)
    life.list(row)
    life.run()
    life.execute(row)
    life.list()
    assert life.run() == ["transaction at nonce 1 failed when it was executed"]
    assert life.told[-1].severity is Severity.HIGH
    assert "Its call reverted and changed nothing. Nonce 1 is used" in life.told[-1].text


def test_one_behind_a_nonce_that_nothing_is_queued_at_is_stuck_and_says_which(life: Life) -> None:
    first, third = signed(life.node, queued(1), 0), signed(life.node, queued(3), 0, 1)
    second = signed(life.node, queued(2), 0)
    life.list(first, second, third)
    life.run()
    life.list(first, third)
    assert life.run() == [], "the service is doubted once: the chain may be ahead of the block that was read"
    assert sorted(life.run(asks=False)) == [
        "transaction at nonce 2 is no longer in the queue",
        "transaction at nonce 3 is stuck behind nonce 2, where nothing is queued",
    ]
    removed, stuck = sorted(life.told[-2:], key=lambda one: one.message.title)
    assert (removed.severity, stuck.severity) == (Severity.LOW, Severity.MEDIUM)
    assert "Its signatures stay valid: until another transaction uses nonce 2" in removed.text
    assert "It cannot be executed until nonce 2 is used." in stuck.text
    assert life.run() == life.run(asks=False) == []
    life.list(first, second, third)
    assert life.run() == [], "what is listed again goes on from where it was"


def test_what_a_reorganisation_undid_is_reported_and_so_is_its_next_end(life: Life) -> None:
    row = signed(life.node, queued(1), 0, 1)
    life.list(row)
    life.run()
    life.execute(row)
    life.list()
    assert life.run() == ["transaction at nonce 1 was executed"]
    life.node.reorg(6)
    life.list(row)
    assert life.run() == ["transaction at nonce 1 is pending again after a reorganisation"]
    assert life.told[-1].severity is Severity.HIGH
    assert "can be executed again" in life.told[-1].text
    assert life.run() == []
    life.execute(row)
    life.list()
    assert life.run() == ["transaction at nonce 1 was executed"]


def test_what_was_mined_again_in_another_block_is_no_news(life: Life) -> None:
    row = signed(life.node, queued(1), 0, 1)
    life.list(row)
    life.run()
    life.execute(row)
    assert life.run() == ["transaction at nonce 1 was executed"]
    life.node.reorg(6)
    life.execute(row)
    assert life.run() == []
    assert life.run(asks=False) == []


def test_a_rival_that_nobody_listed_replaces_what_was_queued(life: Life) -> None:
    row, hidden = signed(life.node, queued(1), 0), signed(life.node, queued(1, "0f", to=STRANGER, data=None), 0, 1)
    life.list(row)
    life.run()
    life.execute(hidden)
    assert sorted(life.run()) == [
        "transaction at nonce 1 was executed, which was not seen in its queue",
        "transaction at nonce 1 was replaced by another one",
    ]
    replaced = next(one for one in life.told if "replaced" in one.message.title)
    assert f"Executed instead: {hidden['safeTxHash'][:10]}" in replaced.text
    assert f"to {STRANGER}" in replaced.text
    assert len(life.thread(hidden)) == 2


@pytest.mark.parametrize("stage", range(4))
def test_nothing_is_lost_or_doubled_when_the_host_was_down_at_any_stage(life: Life, stage: int) -> None:
    """Each step in turn is missed while the host is down: what is reported is where the transaction is by then."""
    row = queued(1)
    one, both = signed(life.node, row, 0), signed(life.node, row, 0, 1)
    steps = [
        lambda: life.list(one),
        lambda: life.list(both),
        lambda: life.execute(both),
        life.list,
    ]
    for number, step in enumerate(steps):
        step()
        if number != stage:
            life.run()
    life.run()
    life.run(asks=False)
    titles = [title.removeprefix("Curation (mainnet): ") for title in life.thread(row)]
    assert titles.count("transaction at nonce 1 was executed") == 1
    assert titles[0] == "transaction queued at nonce 1"
    assert len(titles) == len(set(titles)) == (2 if stage in (0, 1) else 3)


@pytest.mark.parametrize("left", ["nothing, as the release before this one", "what that release ended"])
def test_after_an_update_what_was_reported_is_followed_without_a_word(life: Life, left: str) -> None:
    row = queued(1)
    life.list(signed(life.node, row, 0))
    life.run()
    for key, condition in list(life.world.conditions.items()):
        if key.check in ("safe-executions", "safe-transaction"):
            del life.world.conditions[key]
            if left.startswith("what"):
                life.world.conditions[key] = replace(condition, memory={})
    assert life.run() == []
    life.list(signed(life.node, row, 0, 1))
    assert life.run() == ["transaction at nonce 1 can be executed now, 2 of 2 signed"]
    assert life.run() == []


def test_more_than_can_be_followed_are_still_reported_when_they_are_executed(
    life: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transactions, "MAX_FOLLOWED", 1)
    first, second = signed(life.node, queued(1), 0, 1), signed(life.node, queued(2), 0, 1)
    life.list(first, second)
    life.run()
    life.execute(first)
    life.execute(second)
    assert sorted(life.run()) == ["transaction at nonce 1 was executed", "transaction at nonce 2 was executed"]


def test_those_that_come_later_take_no_place_from_the_next_one(life: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transactions, "MAX_FOLLOWED", 1)
    later_one, row = signed(life.node, queued(9), 0), queued(1)
    life.list(later_one)
    life.run()
    life.list(signed(life.node, row, 0), later_one)
    life.run()
    life.list(signed(life.node, row, 0, 1), later_one)
    assert life.run() == ["transaction at nonce 1 can be executed now, 2 of 2 signed"]


def test_what_ended_is_forgotten_a_day_later(life: Life) -> None:
    row = signed(life.node, queued(1), 0, 1)
    life.list(row)
    life.run()
    life.execute(row)
    life.list()
    life.run()
    (key,) = [key for key in life.world.conditions if key.check == "safe-transaction"]
    life.node.mine(100, interval_s=0)
    assert life.run() == []
    life.world.conditions[key].memory["since"] = "2026-01-01T00:00:00.000000Z"  # type: ignore[index]
    assert life.run() == []
    assert life.world.conditions[key].memory["stage"] == "closed"
    assert key not in life.world.run().outcomes, "its row is over, and pruned with others that are"


def test_what_skip_leaves_out_has_no_life_either(life: Life, tmp_path: Path) -> None:
    more = f'  skip: [{{protocol: yearn_ms, unless_to: ["{STRANGER}"]}}]\n'
    with watching(tmp_path, life.service, {"mainnet": life.node.url}, more=more) as world:
        life.world = world
        life.run()
        row = signed(life.node, queued(1), 0, 1)
        life.list(row)
        assert life.run() == []
        life.execute(row)
        life.list()
        assert life.run() == life.run(asks=False) == []


def test_what_skip_leaves_out_is_reported_where_it_makes_the_safe_pay_for_gas(life: Life, tmp_path: Path) -> None:
    more = f'  skip: [{{protocol: yearn_ms, unless_to: ["{STRANGER}"]}}]\n'
    life.node.set_balance(CURATION, 10**18)
    with watching(tmp_path, life.service, {"mainnet": life.node.url}, more=more) as world:
        life.world = world
        life.run()
        row = queued(1, gasPrice="1", refundReceiver=STRANGER, safeTxGas=200_000)  # enough for the refund as well
        life.execute(signed(life.node, row, 0, 1))
        assert life.run() == ["transaction at nonce 1 was executed, which was not seen in its queue"]
        assert life.told[-1].message.severity is Severity.HIGH
        assert "can make the Safe pay for gas" in life.told[-1].text


def test_an_empty_transaction_that_makes_the_safe_pay_for_gas_is_no_rejection(life: Life) -> None:
    row = queued(1, "00", to=CURATION, data=None, gasPrice="1", refundReceiver=STRANGER)
    life.list(signed(life.node, row, 0))
    life.run()
    life.list(signed(life.node, row, 0, 1))
    assert life.run() == ["transaction at nonce 1 can be executed now, 2 of 2 signed"]
    assert "can make the Safe pay for gas" in life.told[-1].text
    assert "only uses up" not in life.told[-1].text


def test_a_chain_that_cannot_be_read_keeps_every_life(life: Life) -> None:
    row = signed(life.node, queued(1), 0)
    life.list(row)
    life.run()
    environ = life.world.environ
    life.world.environ = {**environ, "PROVIDER_URL_MAINNET": "http://127.0.0.1:1"}
    away = life.world.run()
    (outcome,) = [one for key, one in away.outcomes.items() if key.check == "safe-transaction"]
    assert outcome.condition.no_data is not None
    life.world.environ = environ
    life.list(signed(life.node, row, 0, 1))
    assert life.run() == ["transaction at nonce 1 can be executed now, 2 of 2 signed"]


# What a service says of a life that is none: each against the chain, which has executed nothing yet.


def test_a_service_that_gives_as_executed_what_the_chain_has_not_executed_is_named_for_it(life: Life) -> None:
    row = signed(life.node, queued(1), 0, 1)
    life.list(row)
    life.run()
    behind = signed(life.node, queued(2), 0)
    life.list(row, behind)
    life.run()
    life.list(row | {"isExecuted": True, "isSuccessful": True, "transactionHash": "0x" + "ab" * 32}, behind)
    assert life.run() == []
    assert life.run(asks=False) == ["transaction at nonce 1 was not executed, though the service says so"]
    assert life.told[-1].severity is Severity.HIGH
    assert "by the chain the Safe is at nonce 1. Do not rely on the service" in life.told[-1].text
    assert life.run() == []
    life.execute(row)
    assert life.run() == ["transaction at nonce 1 was executed"], "the chain has the last word"


def test_a_service_that_knows_of_an_execution_before_our_block_does_not_lie(life: Life) -> None:
    row = signed(life.node, queued(1), 0, 1)
    life.list(row)
    life.run()
    life.list()
    assert life.run() == []
    life.execute(row)
    assert life.run(asks=False) == ["transaction at nonce 1 was executed"]


def test_a_service_that_calls_a_failure_a_success_is_not_believed(life: Life) -> None:
    coin = parts.package("oz4", "ERC20PresetMinterPauser").deploy(life.node, "Coin", "COIN")
    data = coin.artifact.calldata("transfer", STRANGER, 1)
    row = signed(life.node, queued(1, to=coin.address, data=data, safeTxGas=90_000), 0, 1)
    life.list(row)
    life.run()
    tx = life.execute(row)
    life.list(row | {"isExecuted": True, "isSuccessful": True, "transactionHash": tx})
    assert life.run() == ["transaction at nonce 1 failed when it was executed"]


def test_a_service_that_moves_a_known_one_to_another_nonce_does_not_end_its_life(life: Life) -> None:
    row = signed(life.node, queued(1), 0, 1)
    life.list(row)
    life.run()
    life.list(row | {"nonce": 5})
    assert life.run() == ["transaction at nonce 5 is shown falsely"]
    assert life.told[-1].severity is Severity.CRITICAL
    assert "it is that of the same transaction at nonce 1" in life.told[-1].text
    assert life.run() == life.run(asks=False) == []
    life.execute(row)
    assert life.run() == ["transaction at nonce 1 was executed"]


@pytest.mark.parametrize("nonce", [1, 2])
def test_a_service_that_raises_an_executed_one_from_the_dead_is_not_believed(life: Life, nonce: int) -> None:
    row = signed(life.node, queued(1), 0, 1)
    life.list(row)
    life.run()
    life.execute(row)
    life.list()
    life.run()
    life.list(row | {"nonce": nonce})
    expected = [] if nonce == 1 else ["transaction at nonce 2 is shown falsely"]
    assert life.run() == expected
    assert life.run() == []


def test_a_service_that_lists_a_known_one_with_other_contents_keeps_what_was_signed(life: Life) -> None:
    row = signed(life.node, queued(1), 0)
    life.list(row)
    life.run()
    life.list(signed(life.node, row, 0, 1) | {"to": STRANGER})
    assert life.run() == ["transaction at nonce 1 is shown falsely"]
    life.list(signed(life.node, row, 0, 1))
    assert life.run() == ["transaction at nonce 1 can be executed now, 2 of 2 signed"]
    assert f"Pauses {TARGET} (" in life.told[-1].text


def test_signatures_of_strangers_do_not_make_one_executable(life: Life) -> None:
    row = queued(1)
    life.list(signed(life.node, row, 0))
    life.run()
    life.list(signed(life.node, row, 0, 2))
    assert life.run() == ["transaction at nonce 1 has signatures of no owner"]
    assert life.run() == []


def test_without_events_of_success_only_the_nonce_is_known_to_be_used() -> None:
    """Versions before 1.1.0 emit nothing for what ran."""
    content = Content(7, Transaction(1, TARGET, b""), 0)
    known = LifeBefore(content, Severity.MEDIUM)
    seen = LifeSight(8, 2, head=110, first=0, last=107, names_success=False)
    waiting = advance(known, seen)
    assert (waiting.news, waiting.life.passed) == (None, 110)
    step = advance(waiting.life, replace(seen, head=120, last=110))
    assert (step.news, step.life.stage) == (News.USED, LifeStage.USED)
    assert advance(step.life, replace(seen, head=130, last=127)).news is None


def test_a_nonce_that_is_used_waits_for_the_events_that_say_by_what() -> None:
    known = LifeBefore(Content(7, Transaction(1, TARGET, b""), 0), Severity.MEDIUM)
    blind = advance(known, LifeSight(8, 2))
    assert (blind.news, blind.life) == (None, known), "without events nobody knows"
    ended = advance(advance(known, LifeSight(8, 2, head=110, last=107)).life, LifeSight(8, 2, head=113, last=110))
    assert ended.news is News.REPLACED
    assert advance(ended.life, LifeSight(7, 2, head=114, last=111)).news is News.UNDONE


def test_an_event_is_not_believed_while_its_nonce_is_not_used() -> None:
    """A delegate call of another transaction can emit any event in the Safe's name."""
    known = LifeBefore(Content(7, Transaction(1, TARGET, b""), 0), Severity.HIGH, signed=2, required=2)
    event = Execution("0x" + "11" * 32, ran=True, block=100, block_hash="0xaa", tx="0xbb", index=0)
    forged = LifeSight(7, 2, head=110, first=90, last=107, execution=event, signed=2, listing=Listing.LISTED)
    step = advance(known, forged)
    assert (step.news, step.life.stage) == (News.READY, LifeStage.READY)
    assert advance(step.life, replace(forged, nonce=8)).news is News.EXECUTED


def test_signatures_that_are_left_out_now_and_then_make_one_report_of_ready() -> None:
    known = LifeBefore(Content(7, Transaction(1, TARGET, b""), 0), Severity.HIGH)
    whole = LifeSight(7, 2, head=110, last=107, signed=2, listing=Listing.LISTED)
    one_less, step, news = replace(whole, signed=1), advance(known, whole), []
    for seen in (one_less, whole) * 3:
        step = advance(step.life, seen)
        news.append((step.news, step.life.stage, step.life.signed))
    assert news == [(None, LifeStage.READY, 2)] * 6
    fallen = advance(advance(step.life, one_less).life, one_less)
    assert (fallen.life.stage, fallen.life.signed) == (LifeStage.QUEUED, 1), "two runs in a row have seen it"
    assert advance(fallen.life, whole).news is News.READY
    assert advance(step.life, replace(whole, threshold=3)).life.stage is LifeStage.QUEUED, "the chain says so"


def test_what_ended_where_events_cannot_be_read_any_more_is_not_called_replaced() -> None:
    known = LifeBefore(Content(7, Transaction(1, TARGET, b""), 0), Severity.HIGH)
    step = advance(known, LifeSight(8, 2, head=110, first=90, last=107, lost=True))
    assert (step.news, step.severity) == (News.USED, Severity.HIGH)
    assert advance(step.life, LifeSight(8, 2, head=120, first=90, last=117)).news is None


def test_a_life_is_remembered_as_it_is() -> None:
    since = datetime(2026, 5, 1, tzinfo=UTC)
    content = Content(7, Transaction(1, TARGET, b"\x01" * 20, 10**30, 1), 5_000)
    known = LifeBefore(
        content, Severity.HIGH, LifeStage.SIGNED, 2, 3, 110, 9, "0xaa", "missing", (5, 6), (6,), since, fewer=True
    )  # fmt: skip
    assert life_of(json.loads(json.dumps(known.memory())), 1) == known
    assert life_of({}, 1) is None
