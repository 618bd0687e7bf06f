"""Reads, logs and reorganisations against a real EVM node."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from monitoring.chains.abi.function import parse_event, parse_function
from monitoring.chains.abi.values import Unknown
from monitoring.chains.networks import NATIVE_TOKEN, network
from monitoring.chains.rpc.budget import Budget
from monitoring.chains.rpc.errors import Fault, RpcError
from monitoring.chains.rpc.logs import LogCursor, LogFilter, displaced, scan
from monitoring.chains.rpc.memory import RunMemory
from monitoring.chains.rpc.multicall import call
from monitoring.chains.rpc.tokens import Token
from monitoring.chains.rpc.views import Chains, ChainView
from tests.support import anvil, parts
from tests.support.anvil import Anvil
from tests.support.own_contracts import creation_code, runtime_code

pytestmark = pytest.mark.node
SUBJECT = "0x" + "51" * 20
OLD = "0x" + "52" * 20
ACCOUNT = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"  # the first of the node's well-known accounts
NOTED = parse_event("Noted(uint256 indexed number, address who, string text)")
SET = parse_function("set(uint256)")


@pytest.fixture
def node() -> Iterator[Anvil]:
    if anvil.binary() is None:
        parts.missing(anvil.HOW_TO_GET_IT)
    with anvil.running("--chain-id", "1") as running:
        yield running


def chains(node: Anvil, memory: RunMemory | None = None, sleep: Any = lambda _s: None) -> Chains:
    return Chains(
        {"PROVIDER_URL_MAINNET": node.url, "PROVIDER_PUBLIC": "off"}, budget=Budget(sleep=sleep), memory=memory
    )


def view_of(made: Chains) -> ChainView:
    view = made.view("mainnet")
    assert isinstance(view, ChainView), view
    return view


def set_value(node: Anvil, number: int) -> Any:
    return node.send(SUBJECT, "0x" + SET.encode([number]).hex())


def test_reads_through_multicall_and_without_it_are_the_same(node: Anvil) -> None:
    node.set_code(SUBJECT, runtime_code("Subject"))
    set_value(node, 7)
    calls = {
        "value": call(SUBJECT, "value()(uint256)"),
        "pair": call(SUBJECT, "pair()(uint256,address)"),
        "broken": call(SUBJECT, "broken()(uint256)"),
        "missing": call(SUBJECT, "missing()(uint256)"),
        "nobody": call(ACCOUNT, "value()(uint256)"),
    }
    without = view_of(chains(node)).read(calls)
    node.set_code(network(1).multicall3, runtime_code("Aggregate3"))
    made = chains(node)
    with_multicall = view_of(made).read(calls)
    assert made.requests == 2
    for read in (without, with_multicall):
        assert read["value"] == 7
        assert read["pair"] == (7, "0x5151515151515151515151515151515151515151")
        assert "reverted: not today" in str(read["broken"])
        assert "reverted" in str(read["missing"])
        assert "no such contract" in str(read["nobody"])


def test_reads_stay_at_the_pinned_block_while_the_chain_goes_on(node: Anvil) -> None:
    node.set_code(SUBJECT, runtime_code("Subject"))
    set_value(node, 7)
    view = view_of(chains(node))
    set_value(node, 8)
    assert view.read({"value": call(SUBJECT, "value()(uint256)")})["value"] == 7
    assert view_of(chains(node)).read({"value": call(SUBJECT, "value()(uint256)")})["value"] == 8


def test_a_block_beyond_the_head_is_a_stale_head_and_waited_for(node: Anvil) -> None:
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        node.mine()

    made = chains(node, sleep=sleep)
    pool = made.pool(1)
    node.set_code(SUBJECT, runtime_code("Subject"))
    params = {"to": SUBJECT, "data": "0x3fa4f245"}
    beyond = hex(node.head + 1)
    assert int(str(pool.call("eth_call", params, beyond)), 16) == 0
    assert slept == [0.5]
    assert [trouble.fault for trouble in made.troubles] == [Fault.STALE_HEAD]
    with pytest.raises(RpcError) as caught:
        pool.call("eth_call", params, hex(node.head + 1000))
    assert caught.value.fault is Fault.STALE_HEAD


def test_tokens_are_read_once_and_remembered(node: Anvil) -> None:
    node.set_code(network(1).multicall3, runtime_code("Aggregate3"))
    modern = node.deploy(creation_code("Subject"))
    old = node.deploy(creation_code("OldToken"))
    memory = RunMemory()
    made = chains(node, memory)
    found = view_of(made).tokens([modern, old, ACCOUNT, NATIVE_TOKEN])
    assert [getattr(found[one], "symbol", None) for one in (modern, old, ACCOUNT, NATIVE_TOKEN)] == [
        "SUBJ",
        "OLD",
        None,
        "ETH",
    ]
    token = found[modern]
    assert isinstance(token, Token)
    assert token.amount(1_250_500_000) == "1,250.5 SUBJ"
    assert "is no contract" in str(found[ACCOUNT])
    later = chains(node, memory)
    assert view_of(later).tokens([modern, old])[old] == found[old]
    assert later.requests == 1


def test_storage_code_and_balances_come_in_one_request_each(node: Anvil) -> None:
    node.set_code(SUBJECT, runtime_code("Subject"))
    set_value(node, 9)
    made = chains(node)
    view = view_of(made)
    assert view.storage([(SUBJECT, "0x0")])[SUBJECT, "0x0"] == (9).to_bytes(32, "big")
    assert view.code([SUBJECT, OLD])[OLD] == b""
    assert view.balances([OLD, ACCOUNT])[OLD] == 0
    assert made.requests == 4


def test_logs_come_once_in_order_and_decoded(node: Anvil) -> None:
    node.set_code(SUBJECT, runtime_code("Subject"))
    for number in (1, 2, 3):
        set_value(node, number)
    pool = chains(node).pool(1)
    wanted = LogFilter((SUBJECT,), (NOTED.topic,))
    first = scan(pool, wanted, LogCursor(1, 0), node.head)
    assert [NOTED.decode(log.topics, log.data)["number"] for log in first.logs] == [1, 2, 3]
    assert NOTED.decode(first.logs[0].topics, first.logs[0].data) == {"number": 1, "who": ACCOUNT, "text": "set"}
    assert first.cursor.next_block == node.head + 1
    set_value(node, 4)
    second = scan(pool, wanted, first.cursor, node.head)
    assert [NOTED.decode(log.topics, log.data)["number"] for log in second.logs] == [4]
    assert second.reorganised_from is None


def test_a_view_gives_logs_only_with_enough_blocks_on_top(node: Anvil) -> None:
    node.set_code(SUBJECT, runtime_code("Subject"))
    set_value(node, 1)
    wanted = LogFilter((SUBJECT,), (NOTED.topic,))
    early = view_of(chains(node)).logs(wanted, LogCursor(1, 0))
    assert early.logs == ()
    node.mine(network(1).confirmations)
    view = view_of(chains(node))
    late = view.logs(wanted, early.cursor)
    assert len(late.logs) == 1
    assert view.displaced(late.logs) == ()
    assert view.logs(wanted, late.cursor).logs == ()


def test_an_alerted_log_that_a_reorg_removes_is_said_so(node: Anvil) -> None:
    node.set_code(SUBJECT, runtime_code("Subject"))
    node.mine(5)
    set_value(node, 1)
    wanted = LogFilter((SUBJECT,), (NOTED.topic,))
    pool = chains(node).pool(1)
    before = scan(pool, wanted, LogCursor(1, 0), node.head - 1)
    alerted = scan(pool, wanted, before.cursor, node.head)
    assert len(alerted.logs) == 1
    assert displaced(pool, alerted.logs, node.head) == ()

    node.reorg(1)

    gone = displaced(chains(node).pool(1), alerted.logs, node.head)
    assert not isinstance(gone, Unknown)
    assert [(one.log.id, one.now_in) for one in gone] == [(alerted.logs[0].id, None)]
    again = scan(chains(node).pool(1), wanted, alerted.cursor, node.head)
    assert again.reorganised_from == alerted.logs[0].block_number
    assert again.logs == ()


def test_a_log_that_a_reorg_moves_is_found_in_its_new_block(node: Anvil) -> None:
    node.set_code(SUBJECT, runtime_code("Subject"))
    node.mine(5)
    set_value(node, 1)
    wanted = LogFilter((SUBJECT,), (NOTED.topic,))
    alerted = scan(chains(node).pool(1), wanted, LogCursor(1, 0), node.head)
    data = {"from": ACCOUNT, "to": SUBJECT, "data": "0x" + SET.encode([1]).hex(), "gas": hex(100_000)}
    node.rpc("anvil_reorg", 3, [[data, 1]])
    pool = chains(node).pool(1)
    again = scan(pool, wanted, alerted.cursor, node.head)
    assert [log.block_number for log in again.logs] == [node.head - 1]
    assert again.logs[0].id != alerted.logs[0].id
    gone = displaced(pool, alerted.logs, node.head)
    assert not isinstance(gone, Unknown)
    assert len(gone) == 1
