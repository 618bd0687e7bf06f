"""The built-in type `safes` against real Safes at real addresses of local chains, and a scripted service."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from monitoring.alerts.message.model import Severity
from monitoring.chains.abi.addresses import checksum
from monitoring.chains.networks import network
from tests.support import anvil, parts
from tests.support.anvil import Anvil
from tests.support.chain_clock import ManualClock
from tests.support.contracts import SAFE_1_4
from tests.support.http_service import http_service
from tests.support.monitor_world import MonitorWorld, Round, monitor_world
from tests.support.own_contracts import runtime_code
from tests.support.rpc_server import Provider, serving
from tests.support.safes import BOT, CURATION, GENERATIONS, TARGET, SafeService, execute, queued, safe_at

pytestmark = pytest.mark.node
STRANGER = "0x" + "5a" * 20
MULTISEND = "0x38869bf66a61cF6bDB996A6aE40D5853Fd43B526"
ROW = f'    - {{name: Curation, chain: mainnet, address: "{CURATION}", protocol: yearn_ms}}\n'
WATCHED = ROW.replace("}", f', expected_proposers: ["{BOT}"]}}')


@pytest.fixture
def service() -> SafeService:
    return SafeService()


@pytest.fixture(scope="module")
def chains() -> Iterator[dict[int, Anvil]]:
    if anvil.binary() is None:
        parts.missing(anvil.HOW_TO_GET_IT)
    with anvil.running("--chain-id", "1") as first, anvil.running("--chain-id", "8453") as second:
        for one in (first, second):
            one.set_code(network(1).multicall3, runtime_code("Aggregate3"))
        yield {1: first, 8453: second}


@pytest.fixture
def node(chains: dict[int, Anvil]) -> Iterator[Anvil]:
    snapshots = {one: one.snapshot() for one in chains.values()}
    yield chains[1]
    for one, snapshot in snapshots.items():
        one.revert(snapshot)


@contextmanager
def watching(
    tmp_path: Path, service: SafeService, urls: dict[str, str], rows: str = ROW, more: str = "", **how: Any
) -> Iterator[MonitorWorld]:
    path = tmp_path / "monitor.yaml"
    path.write_text(f"monitor: safes\nchains: [{', '.join(urls)}]\nsafes:\n{more}  rows:\n{rows}")
    with http_service(service.answer) as scripted:
        environ = {f"PROVIDER_URL_{slug.upper()}": url for slug, url in urls.items()}
        yield monitor_world(path, environ | {"SAFE_SERVICE_URL": scripted.url}, **how)


def later(world: MonitorWorld) -> Round:
    """Run again once it is each Safe's turn: what was remembered is made a day older."""
    for key, condition in world.conditions.items():
        for name in ("asked", "answered"):
            if isinstance(condition.memory.get(name), str):
                old = datetime.fromisoformat(str(condition.memory[name])) - timedelta(days=1)
                condition.memory[name] = old.strftime("%Y-%m-%dT%H:%M:%S.%fZ")  # type: ignore[index]
        world.conditions[key] = condition
    return world.run()


@pytest.mark.parametrize("version", GENERATIONS)
def test_a_safe_of_each_generation_is_watched_on_its_chain_and_in_its_queue(
    node: Anvil, service: SafeService, tmp_path: Path, version: str
) -> None:
    safe = safe_at(node, version)
    service.rows["eth"] = [queued(0)]
    with watching(tmp_path, service, {"mainnet": node.url}) as world:
        assert world.run().told == [], "what is pending at first sight is remembered, not told"
        assert later(world).told == []
        service.rows["eth"].append(queued(1))
        (told,) = later(world).told
        print(told.text)
        assert (told.severity, told.channel) == (Severity.MEDIUM, "yearn_ms")
        assert told.message.title == "Curation (mainnet): transaction queued at nonce 1"
        assert "Signed by: 1 of 1 as the service says, not checked: the service gives no signature" in told.text
        assert f"Pauses {TARGET} (" in told.text

        rival = service.rows["eth"][-1]["safeTxHash"]
        service.rows["eth"].append(queued(1, "ee", to=CURATION, data=None))
        (told,) = later(world).told
        assert told.severity is Severity.HIGH
        assert told.message.title == "Curation (mainnet): competing transaction queued at nonce 1"
        assert "to reject another one" in told.text
        assert f"Competes with: {rival[:10]}…{rival[-4:]}" in told.text

        execute(safe, "addOwnerWithThreshold", node.accounts[1], 2)
        # from here on two would have to sign: the owner's own call stands in for them
        with node.impersonating(CURATION):
            safe.send("enableModule", node.accounts[2], sender=CURATION)
            safe.send("setFallbackHandler", node.accounts[3], sender=CURATION)
        asked = len(service.asked)
        told = {one.key.check: one for one in world.run().told}
        assert len(service.asked) == asked + 1, "its nonce has changed: the queue is read at once"
        assert {check: one.severity for check, one in told.items()} == dict.fromkeys(
            ("safe-owners", "safe-modules", "safe-setup"), Severity.HIGH
        )
        assert told["safe-owners"].message.title == "Curation (mainnet): 1 owner added"
        assert told["safe-modules"].message.title == "Curation (mainnet): 1 module added"
        assert told["safe-setup"].message.title == "Curation (mainnet): threshold, fallback handler changed"
        assert "Threshold: 1 → 2" in told["safe-setup"].text
        assert later(world).told == []


def test_a_stranger_s_transaction_is_critical_and_a_bot_s_or_its_delegate_s_is_not(
    node: Anvil, service: SafeService, tmp_path: Path
) -> None:
    safe_at(node)
    with watching(tmp_path, service, {"mainnet": node.url}, WATCHED) as world:
        world.run()
        service.rows["eth"] = [
            queued(0),
            queued(1, proposer=STRANGER, proposedByDelegate=BOT),
            queued(2, proposer=STRANGER),
        ]
        (told,) = later(world).told
    assert told.severity is Severity.CRITICAL
    assert told.message.title == "Curation (mainnet): 3 transactions queued, 1 by an unexpected proposer"
    by_nonce = {entry.facts["nonce"]: entry.severity for entry in told.transition.entries}
    assert by_nonce == {0: Severity.LOW, 1: Severity.LOW, 2: Severity.CRITICAL}
    assert told.text.index("Unexpected: proposer") < told.text.index("Nonce: 0")


def test_a_delegate_call_and_a_change_of_the_safe_are_loud_whoever_proposes(
    node: Anvil, service: SafeService, tmp_path: Path
) -> None:
    safe = safe_at(node)
    enable = safe.artifact.calldata("enableModule", TARGET)
    packed = b"\0" + bytes.fromhex(CURATION[2:]) + bytes(32) + ((len(enable) - 2) // 2).to_bytes(32, "big")
    batch = parts.package(SAFE_1_4, "MultiSend").calldata("multiSend", packed + bytes.fromhex(enable[2:]))
    with watching(tmp_path, service, {"mainnet": node.url}, WATCHED) as world:
        world.run()
        service.rows["eth"] = [
            queued(0, operation=1),
            queued(1, to=CURATION, data=safe.artifact.calldata("changeThreshold", 1)),
            queued(2, to=MULTISEND, operation=1, data=batch),
        ]
        (told,) = later(world).told
    severities = {entry.facts["nonce"]: entry.severity for entry in told.transition.entries}
    assert severities == {0: Severity.CRITICAL, 1: Severity.HIGH, 2: Severity.CRITICAL}
    assert f"CRITICAL delegate call to {TARGET}, which is no MultiSend" in told.text
    assert "CRITICAL module: enableModule" in told.text


def test_a_safe_on_two_chains_under_one_address_is_two_safes(
    chains: dict[int, Anvil], node: Anvil, service: SafeService, tmp_path: Path
) -> None:
    for one in chains.values():
        safe_at(one)
    rows = ROW + ROW.replace("mainnet", "base")
    urls = {"mainnet": node.url, "base": chains[8453].url}
    with watching(tmp_path, service, urls, rows) as world:
        service.rows = {"eth": [queued(5)], "base": []}
        world.run()
        service.rows["base"] = [queued(5, chain=8453), queued(4, chain=8453)]
        told = later(world).told
        assert [(one.key.chain, one.message.title) for one in told] == [
            (8453, "Curation (base): 2 transactions queued")
        ]


def test_a_queue_longer_than_a_page_is_told_whole_in_one_message(
    node: Anvil, service: SafeService, tmp_path: Path
) -> None:
    safe_at(node)
    with watching(tmp_path, service, {"mainnet": node.url}) as world:
        world.run()
        service.rows["eth"] = [queued(nonce) for nonce in range(250)]
        (told,) = later(world).told
        assert len(told.transition.entries) == 250
        assert told.message.title == "Curation (mainnet): 250 transactions queued"
        assert len(told.text.encode("utf-16-le")) / 2 < 4096
        assert "… and 244 more, at nonces 6, 7, 8" in told.text
        assert later(world).told == []


def test_dead_and_executed_rows_are_nothing_new_and_a_strange_one_hides_no_other(
    node: Anvil, service: SafeService, tmp_path: Path
) -> None:
    safe = safe_at(node)
    execute(safe, "changeThreshold", 1)
    with watching(tmp_path, service, {"mainnet": node.url}) as world:
        world.run()
        service.rows["eth"] = [
            queued(0),  # its nonce is used up
            queued(1, isExecuted=True),
            queued(2, data="nonsense"),
            queued(3, data=None),
        ]
        found = later(world)
        (told,) = found.told
        assert [entry.facts["nonce"] for entry in told.transition.entries] == [3]
        assert [len(later(world).sources()) for _ in range(3)] == [0, 1, 0]


def test_a_service_that_fails_is_not_an_empty_queue(node: Anvil, service: SafeService, tmp_path: Path) -> None:
    safe_at(node)
    with watching(tmp_path, service, {"mainnet": node.url}) as world:
        service.rows["eth"] = [queued(0)]
        world.run()
        service.failing = True
        asked = len(service.asked)
        found = [later(world) for _ in range(4)]
        assert len(service.asked) - asked == 4 * 3
        assert [len(one.sources()) for one in found] == [0, 0, 1, 0]
        assert "HTTP 503" in found[2].sources()[0]
        service.failing = False
        service.rows["eth"].append(queued(1))
        (told,) = later(world).told
        assert told.message.title == "Curation (mainnet): transaction queued at nonce 1"


def test_without_the_nonce_nothing_is_asked_and_nothing_told(service: SafeService, tmp_path: Path) -> None:
    service.rows["eth"] = [queued(0)]
    with watching(tmp_path, service, {"mainnet": "http://127.0.0.1:1"}) as world:
        found = [world.run() for _ in range(3)]
    assert service.asked == []
    assert [one.told for one in found] == [[], [], []]
    assert len(found[2].sources()) == 6


def test_what_a_protocol_leaves_out_is_left_out_unless_it_reaches_what_counts(
    node: Anvil, service: SafeService, tmp_path: Path
) -> None:
    safe_at(node)
    own = parts.package("oz5", "Ownable2Step").calldata("transferOwnership", STRANGER)
    more = f'  skip: [{{protocol: yearn_ms, unless_to: ["{BOT}"], unless_calls: [transferOwnership(address)]}}]\n'
    with watching(tmp_path, service, {"mainnet": node.url}, more=more) as world:
        world.run()
        service.rows["eth"] = [queued(0), queued(1, data=None), queued(2, to=BOT), queued(3, data=own)]
        (told,) = later(world).told
    assert sorted(entry.facts["nonce"] for entry in told.transition.entries) == [2, 3]


def test_a_queue_nobody_could_read_for_too_long_is_reported(node: Anvil, service: SafeService, tmp_path: Path) -> None:
    """It is not its turn: the answer is old all the same."""
    safe_at(node)
    with watching(tmp_path, service, {"mainnet": node.url}) as world:
        world.run()
        (queue,) = [one for one in world.conditions if one.check == "safe-queue"]
        asked = len(service.asked)
        for _ in range(3):
            world.conditions[queue].memory["answered"] = "2026-01-01T00:00:00.000000Z"  # type: ignore[index]
            found = world.run()
        assert len(service.asked) == asked
    assert found.sources() == [
        "the queue of Curation (mainnet) was last read at 2026-01-01 00:00 UTC, which is too long ago"
    ]


def test_thirty_three_safes_cost_few_requests_at_a_gateway_that_refuses_large_batches(
    service: SafeService, tmp_path: Path
) -> None:
    provider = Provider(head=1000, head_time=time.time, batch_limit=50)
    places = [checksum(f"0x{place:040x}") for place in range(1, 34)]
    for place in places:
        provider.views |= {
            (place, "nonce()(uint256)"): 0,
            (place, "getThreshold()(uint256)"): 1,
            (place, "getOwners()(address[])"): [TARGET],
            (place, "getModulesPaginated(address,uint256)(address[],address)"): ([], TARGET),
        }
    rows = "".join(ROW.replace(CURATION, place) for place in places)
    clock = ManualClock(datetime.now(UTC))
    with (
        serving(provider) as urls,
        watching(tmp_path, service, {"mainnet": urls[0]}, rows, clock=clock, sleep=clock.sleep) as world,
    ):
        first = world.run()
        assert {outcome.reason.value for outcome in first.outcomes.values()} == {"first sight"}
        second = world.run()
    # its head, two multicalls of at most a hundred in one request, three batches of slots, one range of logs
    assert first.requests == 1 + 1 + 3 + 1
    assert len(service.asked) == 33, "all are asked at first sight, and none again in the same minute"
    assert len(second.outcomes) == 33 * 6


def test_a_rival_of_one_that_is_gone_from_the_service_is_still_a_rival(
    node: Anvil, service: SafeService, tmp_path: Path
) -> None:
    safe_at(node)
    with watching(tmp_path, service, {"mainnet": node.url}) as world:
        service.rows["eth"] = [queued(0)]
        world.run()
        service.rows["eth"] = [queued(0, "ee")]
        (told,) = later(world).told
    assert told.message.title == "Curation (mainnet): competing transaction queued at nonce 0"
    assert "a transaction seen before at this nonce, which the service no longer lists" in told.text


def test_what_a_module_runs_is_told_though_nobody_queued_or_signed_it(
    node: Anvil, service: SafeService, tmp_path: Path
) -> None:
    safe, module = safe_at(node), node.accounts[2]
    execute(safe, "enableModule", module)
    with watching(tmp_path, service, {"mainnet": node.url}) as world:
        node.mine(4)
        world.run()
        for _ in range(2):
            call = safe.artifact.calldata("execTransactionFromModule", TARGET, 0, b"", 0)
            receipt = node.send(CURATION, call, sender=module)
        node.mine(4)
        (told,) = world.run().told
        assert (told.severity, told.channel) == (Severity.MEDIUM, "yearn_ms")
        assert told.message.title == "Curation (mainnet): 2 transactions run by a module"
        assert f"Module {checksum(module)} in {receipt['transactionHash']}" in told.text
        assert world.run().told == []
        node.reorg(7)
        node.mine(4)
        (told,) = world.run().told
        assert "removed by a reorganisation" in told.message.title
