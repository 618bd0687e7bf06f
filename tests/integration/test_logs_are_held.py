"""Logs are held against another provider and the headers and receipts of their blocks; who lacks some is named."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from monitoring.base.http.client import HttpClient
from monitoring.chains.abi.function import parse_event, parse_function
from monitoring.chains.networks import network
from monitoring.chains.rpc.bloom import bloom_of, read_bloom
from monitoring.chains.rpc.budget import Budget
from monitoring.chains.rpc.log_evidence import SAMPLED, WHOLE, Completeness, HeldRange, hold
from monitoring.chains.rpc.logs import EventLog, LogCursor, LogFilter, LogScan, read_log, scan
from monitoring.chains.rpc.pool import ProviderPool
from tests.support import anvil, parts
from tests.support.anvil import Anvil
from tests.support.chain_clock import ManualClock
from tests.support.own_contracts import runtime_code
from tests.support.rpc import Rpc
from tests.support.rpc_server import Failure, Provider, event_log, serving

TARGET, OTHER, TOPIC = "0x" + "11" * 20, "0x" + "22" * 20, "0x" + "aa" * 32
WANTED = LogFilter((TARGET,), (TOPIC,))
BLOCKS = (910, 950, 990)
EVENTS = [event_log(block) for block in BLOCKS]
OTHERS = [event_log(block, 1, address=OTHER) for block in range(905, 1000, 10)]
FULL = "0x" + "ff" * 256
NOTED = parse_event("Noted(uint256 indexed number, address who, string text)")
SET = parse_function("set(uint256)")


def provider(**more: Any) -> Provider:
    return Provider(**{"head": 1000, "logs": [*EVENTS, *OTHERS], "blooms": True} | more)


def lacking(*blocks: int, **more: Any) -> Provider:
    """Return one whose `eth_getLogs` has nothing of these blocks, though its receipts have."""
    return provider(leaves_out=lambda log: int(log["blockNumber"], 16) in blocks, **more)


@dataclass
class Held:
    """What came of a reading that was held."""

    logs: tuple[int, ...]
    range: HeldRange
    pool: ProviderPool
    asked: list[int] = field(default_factory=list)  # requests of the second look, by provider

    @property
    def standing(self) -> tuple[Completeness, dict[str, int]]:
        return self.range.completeness, dict(self.range.left_out)


@contextmanager
def pool_of(
    *providers: Provider, own: int | None = None, seconds: float = 3600
) -> Iterator[tuple[ProviderPool, ManualClock]]:
    with serving(*providers) as urls:
        clock = ManualClock()
        budget = Budget(seconds=seconds, clock=clock, sleep=clock.sleep)
        yield ProviderPool(network(1), urls, HttpClient(), budget, own=own), clock


def held(
    *providers: Provider, first: int = 900, last: int = 1000, new_from: int = 0, whole: bool = True, **more: Any
) -> Held:
    with pool_of(*providers, **more) as (pool, _):
        read = scan(pool, WANTED, LogCursor(1, first), last)
        assert read.problem is None
        before = [one.requests for one in providers]
        found = hold(pool, WANTED, read, new_from, whole=whole)
        asked = [one.requests - was for one, was in zip(providers, before, strict=True)]
        (range_,) = pool.held
        assert pool.troubles == ()
        return Held(tuple(log.block_number for log in found.logs), range_, pool, asked)


def test_what_a_second_provider_has_is_judged_and_who_left_it_out_is_named() -> None:
    found = held(lacking(950), provider())
    assert found.logs == BLOCKS
    assert found.standing == (Completeness.CONTRADICTED, {"127.0.0.1 #1": 1})


def test_what_only_the_first_has_is_kept_and_the_second_is_named() -> None:
    found = held(provider(), lacking(910, 990))
    assert found.logs == BLOCKS
    assert found.standing == (Completeness.CONTRADICTED, {"127.0.0.1 #2": 2})


def test_each_that_lacks_something_is_named() -> None:
    found = held(lacking(910, 950), lacking(990))
    assert found.logs == BLOCKS
    assert found.standing == (Completeness.CONTRADICTED, {"127.0.0.1 #1": 2, "127.0.0.1 #2": 1})


def test_two_that_say_the_same_confirm_it_with_a_handful_of_requests() -> None:
    found = held(provider(), provider())
    assert found.standing == (Completeness.CONFIRMED, {})
    assert sum(found.asked) <= 1 + 1 + 2 + 1, "chain id, the range again, headers, one block's receipts"


def test_two_that_lack_the_same_are_found_out_by_the_blocks() -> None:
    found = held(lacking(*BLOCKS), lacking(*BLOCKS), first=945, new_from=945, last=955)
    assert found.logs == (950,)
    assert found.standing == (Completeness.CONTRADICTED, {"127.0.0.1 #1": 1, "127.0.0.1 #2": 1})


def test_a_public_provider_is_not_shown_what_own_ones_watch() -> None:
    public = lacking(*BLOCKS, blooms=False)
    assert held(provider(blooms=False), public, own=1).standing == (Completeness.UNCONFIRMED, {})
    assert public.requests == 0
    assert held(provider(), lacking(*BLOCKS), own=0).standing == (
        Completeness.CONTRADICTED, {"127.0.0.1 #2 (public)": 3},
    )  # fmt: skip


def test_alone_without_blooms_nothing_is_asked_and_it_says_so() -> None:
    found = held(provider(blooms=False))
    assert found.logs == BLOCKS
    assert (found.standing, found.asked) == ((Completeness.UNCONFIRMED, {}), [0])


def test_alone_headers_that_rule_out_more_confirm_it() -> None:
    found = held(provider())
    assert (found.standing, found.asked) == ((Completeness.CONFIRMED, {}), [3]), "101 headers, 50 a request"


def test_alone_what_it_left_out_comes_from_its_own_receipts() -> None:
    found = held(lacking(910, 990))
    assert found.logs == BLOCKS
    assert found.standing == (Completeness.CONTRADICTED, {"127.0.0.1": 2})


def test_pruned_receipts_do_not_pass_for_none() -> None:
    found = held(lacking(910, pruned=True))
    assert found.logs == (950, 990)
    assert found.standing == (Completeness.UNCONFIRMED, {})


def test_headers_that_say_maybe_of_everything_leave_it_to_another_provider() -> None:
    """Other contracts' logs can set the same bits; here they are all set, so receipts can never match them."""
    full = FullOf(head=1000, logs=[])
    assert held(full).standing == (Completeness.UNCONFIRMED, {})
    assert held(full, provider(logs=[])).standing == (Completeness.CONFIRMED, {}), "another one has nothing either"


class FullOf(Provider):
    """Its headers say that every block may hold every log."""

    def eth_getBlockByNumber(self, tag: str, full: bool) -> dict[str, str] | None:  # noqa: N802
        block = super().eth_getBlockByNumber(tag, full)
        return {**block, "logsBloom": FULL} if block else None


class Silent(Provider):
    """Its headers have filters without a bit, whatever is in the blocks."""

    transactions_of: Sequence[str] = ("0x1",)

    def eth_getBlockByNumber(self, tag: str, full: bool) -> dict[str, Any] | None:  # noqa: N802
        block = super().eth_getBlockByNumber(tag, full)
        return {**block, "logsBloom": "0x" + "00" * 256, "transactions": self.transactions_of} if block else None


def test_headers_that_never_say_anything_are_no_evidence() -> None:
    assert held(Silent(head=1000, logs=EVENTS)).standing == (Completeness.UNCONFIRMED, {}), "they deny what is there"
    assert held(Silent(head=1000, logs=[])).standing == (Completeness.UNCONFIRMED, {}), "of blocks with transactions"
    empty = Silent(head=1000, logs=[])
    empty.transactions_of = ()
    assert held(empty).standing == (Completeness.CONFIRMED, {}), "blocks without transactions have no logs"


def test_a_provider_on_another_chain_there_is_no_witness() -> None:
    found = held(provider(blooms=False), provider(logs=[], fork="f", fork_from=950, blooms=False))
    assert found.logs == BLOCKS
    assert found.standing == (Completeness.UNCONFIRMED, {})


@pytest.mark.parametrize("failure", [
    Failure(-32603, "internal error"), Failure(-32601, "the method does not exist"),
    Failure(-32005, "too many requests"), Failure(4444, "pruned history unavailable"),
])  # fmt: skip
def test_a_witness_that_cannot_answer_is_blamed_for_nothing(failure: Failure) -> None:
    mute = provider(failing=lambda method, _: failure if method == "eth_getLogs" else None)
    assert held(provider(blooms=False), mute).standing == (Completeness.UNCONFIRMED, {})


def test_a_witness_with_a_smaller_range_is_asked_in_parts() -> None:
    second = provider(log_range=40)
    assert held(lacking(950), second).standing == (Completeness.CONTRADICTED, {"127.0.0.1 #1": 1})
    assert second.count("eth_getLogs") > 2


@pytest.mark.parametrize(("whole", "most"), [(True, WHOLE), (False, SAMPLED)])
@pytest.mark.parametrize("count", [1, 2])
def test_a_long_range_costs_no_more_requests_than_there_are(whole: bool, most: int, count: int) -> None:
    long = [provider(head=40_000, logs=[], log_range=500) for _ in range(count)]
    found = held(*long, first=0, last=39_900, whole=whole)
    assert sum(found.asked) <= most + 2, "and the chain id of each that was not asked before"
    assert found.standing == (Completeness.UNCONFIRMED, {}), "it was held in part"


def test_a_task_without_much_time_left_asks_nothing_more() -> None:
    one, two = provider(), provider()
    with pool_of(one, two, seconds=90) as (pool, clock):
        read = scan(pool, WANTED, LogCursor(1, 900), 1000)
        clock.sleep(61)
        before = one.requests + two.requests
        hold(pool, WANTED, read, 0, whole=True)
        assert [range_.completeness for range_ in pool.held] == [Completeness.UNCONFIRMED]
        assert one.requests + two.requests == before


def test_blocks_that_were_judged_before_are_not_counted_again() -> None:
    assert (held(provider(), new_from=980).range.first, held(provider(), new_from=980).range.last) == (980, 1000)
    with pool_of(provider()) as (pool, _):
        read = scan(pool, WANTED, LogCursor(1, 900), 1000)
        assert hold(pool, WANTED, read, 1001, whole=True) is read
        assert pool.held == []


@pytest.fixture
def node() -> Iterator[Anvil]:
    if anvil.binary() is None:
        parts.missing(anvil.HOW_TO_GET_IT)
    with anvil.running("--chain-id", "1") as running:
        running.set_code(TARGET, runtime_code("Subject"))
        running.set_code(OTHER, runtime_code("Subject"))
        yield running


def passing_on(node: Anvil, drop: Callable[[dict[str, Any]], bool]) -> Provider:
    """A gateway in front of a node, whose `eth_getLogs` drops some logs."""
    ask = Rpc(node.url)

    def answer(call: dict[str, Any]) -> dict[str, Any]:
        result = ask(call["method"], *call["params"])
        if call["method"] == "eth_getLogs":
            result = [log for log in result if not drop(log)]
        return {"jsonrpc": "2.0", "id": call["id"], "result": result}

    return Provider(raw=lambda asked: [answer(one) for one in asked] if isinstance(asked, list) else answer(asked))


def logs_of(node: Anvil, block: int) -> list[EventLog]:
    receipts = Rpc(node.url)("eth_getBlockReceipts", hex(block))
    found = [read_log(1, row) for receipt in receipts for row in receipt["logs"]]
    return [log for log in found if log is not None]


@pytest.mark.node
def test_the_filter_of_a_real_block_is_the_one_of_its_receipts(node: Anvil) -> None:
    for number in range(12):
        node.send(TARGET if number % 3 else OTHER, "0x" + SET.encode([number]).hex())
    node.mine()
    blooms = {block: read_bloom(node.block(block)["logsBloom"]) for block in range(node.head + 1)}
    assert blooms == {block: bloom_of(logs_of(node, block)) for block in blooms}
    assert sum(1 for bloom in blooms.values() if bloom) == 12


@pytest.mark.node
@pytest.mark.parametrize("has_second", [True, False])
def test_a_gateway_that_drops_logs_of_a_real_node_is_found_out(node: Anvil, has_second: bool) -> None:
    for number in range(6):
        node.send(TARGET, "0x" + SET.encode([number]).hex())
    dropped = node.head - 2
    wanted = LogFilter((TARGET,), (NOTED.topic,))
    gateway = passing_on(node, lambda log: int(log["blockNumber"], 16) == dropped)
    others = [passing_on(node, lambda _: False)] if has_second else []

    def read(pool: ProviderPool) -> LogScan:
        return scan(pool, wanted, LogCursor(1, 0), node.head)

    with pool_of(gateway, *others) as (pool, _):
        assert dropped not in {log.block_number for log in read(pool).logs}
        found = hold(pool, wanted, read(pool), 0, whole=True)
    assert [NOTED.decode(log.topics, log.data)["number"] for log in found.logs] == list(range(6))
    name = "127.0.0.1 #1" if has_second else "127.0.0.1"
    assert [(one.completeness, one.left_out) for one in pool.held] == [(Completeness.CONTRADICTED, {name: 1})]
