"""A multicall that is too heavy for its gateway was not halved unless the gateway used one of two wordings.

Input: sixty checks in one multicall; a gateway that refuses more than twenty at once in many wordings, known and not;
one call among a hundred that makes any multicall fail. Right result: every check is read, with few requests; a gateway
that refuses everything is not asked for ever.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest

from monitoring.base.http.client import Answer, FetchError, HttpClient, Request
from monitoring.chains.abi.function import decode
from monitoring.chains.abi.values import Unknown
from monitoring.chains.rpc.budget import Budget
from monitoring.chains.rpc.errors import Fault, classify_status
from monitoring.chains.rpc.multicall import call
from monitoring.chains.rpc.views import Chains, ChainView
from tests.support.chain_clock import ManualClock
from tests.support.rpc_server import AGGREGATE3, MULTICALL3, Failure, Provider, serving

pytestmark = pytest.mark.case("C.4")
TOKEN = "0x" + "22" * 20
BALANCE = "balanceOf(address)(uint256)"
WORDS = [
    (-32000, "execution aborted (timeout = 5s)"),
    (-32000, "backend response too large"),
    (-32008, "Response is too big"),
    (-32603, "request timed out"),
    (-32005, "Request size exceeded"),
    (-32000, "exceeded maximum call data size"),
    (-32000, "intrinsic gas too high"),
    (-32000, "out of gas"),
    (-32000, "gas limit exceeded"),
    (-32000, "EVM call exceeded memory limit"),
    (-32016, "compute limit exceeded"),
    (-32000, "your request exceeded the limit of 10MB"),
    (-32603, "Timeout"),
    (-32603, "the backend is unhappy with this"),
    (-32099, ""),
]


@contextlib.contextmanager
def view_of(*providers: Provider) -> Iterator[ChainView]:
    clock, fetch = ManualClock(), HttpClient()
    for one in providers:
        one.head_time = lambda: clock.now().timestamp()
        one.views[TOKEN, BALANCE] = lambda who: int(who, 16)
    with serving(*providers) as urls:
        environ = {f"PROVIDER_URL_MAINNET_{place}": url for place, url in enumerate(urls, 1)}
        view = Chains(
            {**environ, "PROVIDER_PUBLIC": "off"}, budget=Budget(clock=clock, sleep=clock.sleep), fetch=fetch
        ).view(1)
        assert isinstance(view, ChainView), view
        yield view
    fetch.close()


def balances(count: int) -> dict[int, Any]:
    return {n: call(TOKEN, BALANCE, f"0x{n:040x}") for n in range(1, count + 1)}


def carried(params: list[Any]) -> list[int]:
    """Return which balances a multicall asks for; of a plain call, the one."""
    data = bytes.fromhex(params[0]["data"][2:])
    if params[0]["to"].lower() != MULTICALL3.lower():
        return [int.from_bytes(data[4:], "big")]
    (calls,) = decode(AGGREGATE3.inputs, data[4:])
    return [int.from_bytes(calldata[4:], "big") for _, _, calldata in calls]  # type: ignore[union-attr,misc,index]


@pytest.mark.parametrize(("code", "words"), WORDS)
@pytest.mark.parametrize("providers", [1, 2])
def test_sixty_checks_are_read_whatever_the_gateway_calls_its_limit(code: int, words: str, providers: int) -> None:
    def failing(method: str, params: list[Any]) -> Failure | None:
        return Failure(code, words) if method == "eth_call" and len(carried(params)) > 20 else None

    gateways = [Provider(failing=failing) for _ in range(providers)]
    with view_of(*gateways) as view:
        assert view.read(balances(60)) == {n: n for n in range(1, 61)}
    assert sum(one.count("eth_call") for one in gateways) <= 7 * providers


@pytest.mark.parametrize("bad", [1, 50, 100])
def test_one_call_that_makes_every_multicall_fail_is_found_and_the_others_are_read(bad: int) -> None:
    def failing(method: str, params: list[Any]) -> Failure | None:
        return Failure(-32603, "internal error") if method == "eth_call" and bad in carried(params) else None

    gateway = Provider(failing=failing)
    with view_of(gateway) as view:
        read = view.read(balances(100))
    assert [n for n, value in read.items() if isinstance(value, Unknown)] == [bad]
    assert "internal error" in str(read[bad])


def test_a_gateway_that_refuses_all_multicalls_in_unknown_words_is_asked_plainly_in_the_end() -> None:
    def failing(method: str, params: list[Any]) -> Failure | None:
        return Failure(-32603, "not today") if method == "eth_call" and len(carried(params)) > 1 else None

    gateway = Provider(failing=failing)
    with view_of(gateway) as view:
        assert view.read(balances(100)) == {n: n for n in range(1, 101)}
    assert gateway.requests <= 30


def test_a_gateway_that_refuses_everything_is_not_asked_for_ever() -> None:
    gateway = Provider(failing=lambda method, _: Failure(-32603, "not today") if method == "eth_call" else None)
    with view_of(gateway) as view:
        read = view.read(balances(300))
    assert all(isinstance(value, Unknown) and "not today" in value.reason for value in read.values())
    assert gateway.requests <= 40


@pytest.mark.parametrize("status", [500, 503, 504])
def test_several_multicalls_in_one_request_that_are_too_much_together_are_asked_one_by_one(status: int) -> None:
    gateway = Provider()

    def give_up_on_several(asked: Any) -> None:
        gateway.status = status if isinstance(asked, list) and len(asked) > 2 else 200

    gateway.raw = give_up_on_several
    with view_of(gateway) as view:
        assert view.read(balances(550)) == {n: n for n in range(1, 551)}
    assert gateway.requests == 1 + 1 + 6  # the head, five at once, and each alone: also the sixth


def test_several_multicalls_that_take_longer_than_a_request_may_are_asked_one_by_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answer = HttpClient.__call__

    def time_out(client: HttpClient, request: Request, timeout_s: float) -> Answer:
        if len(request.body) > 100_000:
            raise FetchError("gateway", "timed out", timed_out=True)
        return answer(client, request, timeout_s)

    monkeypatch.setattr(HttpClient, "__call__", time_out)
    gateway = Provider()
    with view_of(gateway) as view:
        assert view.read(balances(550)) == {n: n for n in range(1, 551)}


@pytest.mark.parametrize("status", [408, 413, 504, 524])
def test_a_proxy_that_gives_up_on_a_large_request_has_found_it_too_heavy(status: int) -> None:
    assert classify_status(status, alone=True, size=20_000) is Fault.TOO_HEAVY


@pytest.mark.parametrize("status", [408, 502, 503, 504, 524])
def test_a_proxy_that_gives_up_on_a_small_request_is_out_of_order(status: int) -> None:
    assert classify_status(status, alone=True, size=200) is Fault.TRANSPORT
