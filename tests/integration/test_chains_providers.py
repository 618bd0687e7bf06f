"""The provider pool against real sockets whose far side misbehaves."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
import traceback
from collections.abc import Iterator
from typing import Any

import pytest

from monitoring.base.http.client import HttpClient
from monitoring.chains.abi.values import Unknown
from monitoring.chains.rpc.budget import Budget
from monitoring.chains.rpc.errors import Fault, RpcError
from monitoring.chains.rpc.multicall import call
from monitoring.chains.rpc.views import Chains, ChainView
from tests.support.chain_clock import ManualClock
from tests.support.rpc_server import KEY, Failure, Provider, event_log, serving

TOKEN = "0x" + "22" * 20
SUPPLY = "totalSupply()(uint256)"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@contextlib.contextmanager
def chains(
    clock: ManualClock,
    *providers: Provider,
    slug: str = "mainnet",
    request_s: float = 20.0,
    seconds: float = 120.0,
    retries: int = 60,
) -> Iterator[Chains]:
    for one in providers:
        one.head_time = lambda: clock.now().timestamp()
        one.views.setdefault((TOKEN, SUPPLY), 10**24)
    fetch = HttpClient()
    with serving(*providers) as urls:
        names = ["", *(f"_{place}" for place in range(1, len(urls)))]
        environ = {f"PROVIDER_URL_{slug.upper()}{name}": url for name, url in zip(names, urls, strict=True)}
        budget = Budget(seconds=seconds, retries=retries, request_s=request_s, clock=clock, sleep=clock.sleep)
        yield Chains({**environ, "PROVIDER_PUBLIC": "off"}, budget=budget, fetch=fetch)
    fetch.close()


def view_of(made: Chains, last_judged: int | None = None) -> ChainView:
    view = made.view(1, last_judged)
    assert isinstance(view, ChainView), view
    return view


def supply(made: Chains) -> Any:
    return view_of(made).read({"supply": call(TOKEN, SUPPLY), "again": call(TOKEN, SUPPLY)})["supply"]


def test_one_run_costs_one_request_for_the_head_and_one_for_the_reads(clock: ManualClock) -> None:
    provider = Provider()
    provider.views |= {(TOKEN, "balanceOf(address)(uint256)"): lambda who: int(who, 16)}
    with chains(clock, provider) as made:
        calls = {n: call(TOKEN, "balanceOf(address)(uint256)", f"0x{n:040x}") for n in range(100)}
        read = view_of(made).read(calls)
    assert read == {n: n for n in range(100)}
    assert provider.requests == 2


def test_three_hundred_reads_on_three_chains_cost_two_requests_a_chain(clock: ManualClock) -> None:
    providers = {slug: Provider(chain_id=id_) for slug, id_ in (("mainnet", 1), ("base", 8453), ("polygon", 137))}
    fetch = HttpClient()
    for one in providers.values():
        one.head_time = lambda: clock.now().timestamp()
        one.views = {(TOKEN, "balanceOf(address)(uint256)"): lambda who: int(who, 16)}
    with serving(*providers.values()) as urls:
        environ = {f"PROVIDER_URL_{slug.upper()}": url for slug, url in zip(providers, urls, strict=True)}
        made = Chains({**environ, "PROVIDER_PUBLIC": "off"}, budget=Budget(clock=clock, sleep=clock.sleep), fetch=fetch)
        for slug in providers:
            view = made.view(slug)
            assert isinstance(view, ChainView)
            calls = {n: call(TOKEN, "balanceOf(address)(uint256)", f"0x{n:040x}") for n in range(100)}
            assert view.read(calls) == {n: n for n in range(100)}
    fetch.close()
    assert [one.requests for one in providers.values()] == [2, 2, 2]
    assert made.requests == 6


def test_equal_reads_are_asked_once_and_never_again_at_the_same_block(clock: ManualClock) -> None:
    provider = Provider()
    with chains(clock, provider) as made:
        assert supply(made) == 10**24
        before = provider.requests
        assert supply(made) == 10**24
    assert provider.requests == before


def test_two_readings_of_one_answer_are_one_call(clock: ManualClock) -> None:
    provider = Provider()
    with chains(clock, provider) as made:
        read = view_of(made).read({"wide": call(TOKEN, SUPPLY), "narrow": call(TOKEN, "totalSupply()(uint96)")})
    assert read == {"wide": 10**24, "narrow": 10**24}
    assert [params[0]["to"] for method, params in provider.asked if method == "eth_call"] == [TOKEN]


def test_a_lone_provider_that_hangs_is_not_waited_for_twice(clock: ManualClock) -> None:
    hanging = Provider()
    hanging.failing = lambda method, _: _hang(hanging) if method == "eth_call" else None
    with chains(clock, hanging, request_s=2) as made:
        assert "no answer within 2 s" in str(supply(made))
        again = view_of(made).read({"other": call(TOKEN, "totalSupply()(uint128)")})["other"]
        assert "no usable provider" in str(again)
    assert hanging.count("eth_call") == 1
    assert clock.slept == []


def test_a_provider_twenty_blocks_behind_is_left_out_and_said_so(clock: ManualClock) -> None:
    behind, good = Provider(head=980), Provider(head=1000)
    behind.views[TOKEN, SUPPLY] = 5  # what the past looked like
    with chains(clock, behind, good) as made:
        assert supply(made) == 10**24
        assert view_of(made).block.number == 1000
        assert [trouble.fault for trouble in made.troubles] == [Fault.STALE_HEAD]
        assert "20 blocks" not in made.troubles[0].message
        assert "behind the newest, 1000" in made.troubles[0].message
    assert behind.count("eth_call") == 0


def test_a_provider_slightly_behind_lowers_the_block_for_all(clock: ManualClock) -> None:
    with chains(clock, Provider(head=1000), Provider(head=998)) as made:
        assert view_of(made).block.number == 998
        assert made.troubles == ()


def test_the_block_is_never_older_than_the_last_one_judged(clock: ManualClock) -> None:
    with chains(clock, Provider(head=999), Provider(head=1001)) as made:
        assert view_of(made, last_judged=1000).block.number == 1001
    with chains(clock, Provider(head=999)) as made:
        view = made.view(1, 1000)
        assert isinstance(view, Unknown)
        assert "behind block 1000, judged before" in view.reason


def test_a_chain_that_has_not_caught_up_yet_is_waited_for(clock: ManualClock) -> None:
    provider = Provider(head=999)
    with chains(clock, provider) as made:
        clock.meanwhile = lambda: setattr(provider, "head", 1000)
        assert view_of(made, last_judged=1000).block.number == 1000
    assert clock.slept == [0.5]


def test_a_single_provider_that_is_busy_for_a_moment_does_not_blind_the_run(clock: ManualClock) -> None:
    provider = Provider(status=429, retry_after="3")
    with chains(clock, provider) as made:
        clock.meanwhile = lambda: setattr(provider, "status", 200)
        assert supply(made) == 10**24
    assert clock.slept == [3.0]


def test_a_head_that_stopped_hours_ago_is_not_believed(clock: ManualClock) -> None:
    stuck = Provider()
    with chains(clock, stuck) as made:
        stuck.head_time = lambda: clock.now().timestamp() - 3600
        view = made.view(1)
        assert isinstance(view, Unknown)
        assert "no block younger than 180 s" in view.reason


def test_a_head_from_the_future_is_not_believed(clock: ManualClock) -> None:
    odd = Provider()
    with chains(clock, odd) as made:
        odd.head_time = lambda: clock.now().timestamp() + 3600
        assert "future" in str(made.view(1))


def test_a_wrong_chain_is_asked_once_and_never_believed(clock: ManualClock) -> None:
    wrong, good = Provider(chain_id=10), Provider()
    with chains(clock, wrong, good) as made:
        assert supply(made) == 10**24
        assert "another chain: 10 instead of 1" in made.troubles[0].message
    assert wrong.requests == 1


def test_a_wrong_chain_alone_is_unknown(clock: ManualClock) -> None:
    with chains(clock, Provider(chain_id=10)) as made:
        assert "another chain: 10" in str(made.view(1))


def test_a_provider_on_another_fork_is_outvoted(clock: ManualClock) -> None:
    odd = Provider(fork="f")
    odd.views[TOKEN, SUPPLY] = 5
    with chains(clock, odd, Provider(), Provider()) as made:
        assert supply(made) == 10**24
        assert "has another block 1000" in made.troubles[0].message


def test_a_revert_is_an_answer_and_is_never_asked_again(clock: ManualClock) -> None:
    first, second = Provider(multicall=False), Provider(multicall=False)
    for one in (first, second):
        one.views[TOKEN, SUPPLY] = Failure(
            3, "execution reverted", "0x08c379a0" + "00" * 31 + "20" + "00" * 31 + "05" + b"paused".hex().ljust(64, "0")
        )
    with chains(clock, first, second) as made:
        read = supply(made)
        assert isinstance(read, Unknown)
        assert "totalSupply() of 0x2222…2222 reverted" in read.reason
        assert made.troubles == ()
    assert first.count("eth_call") + second.count("eth_call") == 1
    assert clock.slept == []


def test_a_revert_that_speaks_of_rate_limits_is_still_a_revert(clock: ManualClock) -> None:
    provider = Provider(multicall=False)
    provider.failing = lambda method, _: (
        Failure(-32000, "execution reverted: rate limit exceeded") if method == "eth_call" else None
    )
    with chains(clock, provider) as made:
        assert isinstance(supply(made), Unknown)
    assert provider.count("eth_call") == 1


def test_one_failing_call_of_a_multicall_is_unknown_and_the_others_are_read(clock: ManualClock) -> None:
    provider = Provider()
    provider.views[TOKEN, "paused()(bool)"] = Failure(3, "execution reverted", "0x")
    with chains(clock, provider) as made:
        read = view_of(made).read(
            {
                "supply": call(TOKEN, SUPPLY),
                "paused": call(TOKEN, "paused()(bool)"),
                "missing": call("0x" + "33" * 20, SUPPLY),
                "misread": call(TOKEN, "totalSupply()(string)"),
            }
        )
    assert read["supply"] == 10**24
    assert "paused() of 0x2222…2222 reverted" in str(read["paused"])
    assert "no such contract or function" in str(read["missing"])
    assert "do not decode" in str(read["misread"])


def test_a_hanging_provider_costs_one_deadline_and_the_next_answers(clock: ManualClock) -> None:
    hanging, good = Provider(), Provider()
    hanging.failing = lambda method, _: _hang(hanging) if method == "eth_call" else None
    started = time.monotonic()
    with chains(clock, hanging, good, request_s=2) as made:
        assert supply(made) == 10**24
        assert view_of(made).read({"other": call(TOKEN, "totalSupply()(uint128)")})["other"] == 10**24
    assert time.monotonic() - started < 30
    assert hanging.count("eth_call") == 1  # its breaker is open: nobody waits for it twice


def _hang(provider: Provider) -> None:
    provider.hang = provider.hang or threading.Event()
    provider.hang.wait(60)


def test_a_server_that_drips_byte_by_byte_cannot_outlast_the_deadline(clock: ManualClock) -> None:
    dripping, good = Provider(drip=True), Provider()
    started = time.monotonic()
    with chains(clock, dripping, request_s=0.5) as made:
        assert "no answer within" in str(made.view(1))
    assert time.monotonic() - started < 30
    assert good.requests == 0


def test_429_turns_to_the_next_provider(clock: ManualClock) -> None:
    limited, good = Provider(status=429), Provider()
    with chains(clock, limited, good) as made:
        assert supply(made) == 10**24
        assert [trouble.fault for trouble in made.troubles] == [Fault.RATE_LIMIT]


def test_retry_after_is_waited_for_when_the_budget_allows(clock: ManualClock) -> None:
    limited = Provider()
    with chains(clock, limited) as made:
        view = view_of(made)
        limited.status, limited.retry_after = 429, "17"
        clock.meanwhile = lambda: setattr(limited, "status", 200)
        assert view.read({"supply": call(TOKEN, SUPPLY)})["supply"] == 10**24
    assert clock.slept == [17.0]


def test_retry_after_beyond_the_budget_is_not_waited_for(clock: ManualClock) -> None:
    limited = Provider()
    with chains(clock, limited, seconds=10) as made:
        view = view_of(made)
        limited.status, limited.retry_after = 429, "17"
        assert "HTTP 429" in str(view.read({"supply": call(TOKEN, SUPPLY)})["supply"])
    assert clock.slept == []


def test_repeated_requests_end_with_the_task_budget_not_per_call(clock: ManualClock) -> None:
    broken = Provider()
    with chains(clock, broken, retries=1) as made:
        view = view_of(made)
        broken.status = 500
        told = str(view.read({"a": call(TOKEN, SUPPLY)})["a"])
        assert broken.count("eth_call") == 2
        assert isinstance(view.read({"b": call(TOKEN, "totalSupply()(uint128)")})["b"], Unknown)
    assert "repeated requests this task may make are used up" in told
    assert broken.count("eth_call") == 3


def test_a_spent_time_budget_sends_nothing_more(clock: ManualClock) -> None:
    provider = Provider()
    with chains(clock, provider, seconds=30) as made:
        view = view_of(made)
        clock.advance(31)
        before = provider.requests
        assert "used up" in str(view.read({"a": call(TOKEN, SUPPLY)})["a"])
    assert provider.requests == before


def test_a_gateway_that_refuses_batches_over_fifty_is_halved_into_answers(clock: ManualClock) -> None:
    provider = Provider(multicall=False, batch_limit=20)
    provider.views |= {(TOKEN, "balanceOf(address)(uint256)"): lambda who: int(who, 16)}
    with chains(clock, provider) as made:
        calls = {n: call(TOKEN, "balanceOf(address)(uint256)", f"0x{n:040x}") for n in range(70)}
        assert view_of(made).read(calls) == {n: n for n in range(70)}
    assert provider.requests < 20


def test_only_the_places_of_a_batch_that_failed_are_asked_again(clock: ManualClock) -> None:
    limited, good = Provider(multicall=False), Provider(multicall=False)
    for one in (limited, good):
        one.views |= {(TOKEN, "balanceOf(address)(uint256)"): lambda who: int(who, 16)}
    limited.failing = lambda method, params: (
        Failure(-32005, "limit exceeded") if method == "eth_call" and params[0]["data"].endswith("3") else None
    )
    with chains(clock, limited, good) as made:
        calls = {n: call(TOKEN, "balanceOf(address)(uint256)", f"0x{n:040x}") for n in range(10)}
        assert view_of(made).read(calls) == {n: n for n in range(10)}
    assert limited.count("eth_call") == 1 + 10  # one to learn that there is no multicall
    assert good.count("eth_call") == 1


def test_calls_that_fail_in_unknown_words_bar_no_provider_and_cost_no_patience(clock: ManualClock) -> None:
    odd = Provider(multicall=False)
    odd.failing = lambda method, params: (
        Failure(-32000, "computer says no") if method == "eth_call" and params[0]["data"] != "0x18160ddd" else None
    )
    with chains(clock, odd) as made:
        calls = {n: call(TOKEN, "balanceOf(address)(uint256)", f"0x{n:040x}") for n in range(40)}
        for place in range(5):
            read = view_of(made).read({place: calls[place]})
            assert "computer says no" in str(read[place])
        assert supply(made) == 10**24
    assert clock.slept == []


def test_a_refused_key_turns_to_the_next_provider_and_is_not_tried_again(clock: ManualClock) -> None:
    refused, good = Provider(), Provider()
    with chains(clock, refused, good) as made:
        view = view_of(made)
        refused.status = 403
        assert view.read({"a": call(TOKEN, SUPPLY)})["a"] == 10**24
        assert view.read({"b": call(TOKEN, "totalSupply()(uint128)")})["b"] == 10**24
        assert made.troubles[0].fault is Fault.REFUSED
    assert refused.count("eth_call") == 1


def test_a_method_one_provider_lacks_is_asked_of_the_next(clock: ManualClock) -> None:
    poor, good = Provider(), Provider()
    poor.failing = lambda method, _: (
        Failure(-32601, "the method does not exist") if method == "eth_getTransactionReceipt" else None
    )
    good.logs = [event_log(7)]
    with chains(clock, poor, good) as made:
        assert made.pool(1).call("eth_getTransactionReceipt", good.logs[0]["transactionHash"])
        assert supply(made) == 10**24


@pytest.mark.parametrize("status", [400, 422])
def test_a_gateway_that_answers_batches_with_a_bare_status_is_asked_one_by_one(clock: ManualClock, status: int) -> None:
    provider = Provider()

    def read_no_batch(asked: Any) -> None:
        provider.status = status if isinstance(asked, list) else 200

    provider.raw = read_no_batch
    with chains(clock, provider) as made:
        assert supply(made) == 10**24


def test_a_gateway_without_batches_is_asked_one_by_one(clock: ManualClock) -> None:
    provider = Provider(multicall=False, batches=False)
    with chains(clock, provider) as made:
        read = view_of(made).read({"a": call(TOKEN, SUPPLY), "b": call(TOKEN, "decimals()(uint8)")})
    assert read["a"] == 10**24
    assert "no such contract or function" in str(read["b"])


def test_a_multicall_too_heavy_for_the_gateway_is_halved(clock: ManualClock) -> None:
    provider = Provider(multicall_limit=30)
    provider.views |= {(TOKEN, "balanceOf(address)(uint256)"): lambda who: int(who, 16)}
    with chains(clock, provider) as made:
        calls = {n: call(TOKEN, "balanceOf(address)(uint256)", f"0x{n:040x}") for n in range(100)}
        assert view_of(made).read(calls) == {n: n for n in range(100)}


def test_a_node_behind_the_load_balancer_is_asked_again(clock: ManualClock) -> None:
    lagging, failures = Provider(), [1, 1]

    def failing(method: str, _params: list[Any]) -> Failure | None:
        behind = method == "eth_call" and failures and failures.pop()
        return Failure(-32602, "BlockOutOfRangeError: block height is 999 but requested was 1000") if behind else None

    lagging.failing = failing
    with chains(clock, lagging) as made:
        assert supply(made) == 10**24
    assert lagging.count("eth_call") == 3
    assert clock.slept == [0.5, 1.0]


def test_nonsense_from_a_provider_turns_to_the_next(clock: ManualClock) -> None:
    for body in (b"", b"<html>", b"[]", b'{"jsonrpc":"2.0","id":1}', b'{"jsonrpc":"2.0","id":2,"result":5}', b"\xff"):
        odd, good = Provider(), Provider()
        with chains(clock, odd, good) as made:
            odd.body = body
            assert supply(made) == 10**24, body


def test_no_key_or_path_in_any_text_whatever_fails(clock: ManualClock, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    texts: list[str] = []
    echo = f"invalid project id {KEY} at http://127.0.0.1/v3/{KEY}?k={KEY}"
    ways: list[dict[str, Any]] = [
        {"status": 401},
        {"status": 403},
        {"status": 404},
        {"status": 413},
        {"status": 429},
        {"status": 500},
        {"status": 301},
        {"body": b"nonsense"},
        {"body": f'{{"error": "{echo}"}}'.encode()},
        {"chain_id": 10},
        {"failing": lambda _m, _p: Failure(-32000, echo)},
        {"failing": lambda _m, _p: Failure(-32602, f"block not found {echo}")},
        {"failing": lambda m, _p: Failure(3, f"execution reverted: {echo}") if m == "eth_call" else None},
        {"batches": False, "failing": lambda m, _p: Failure(-32005, echo) if m == "eth_call" else None},
        {"drip": True},
    ]
    for way in ways:
        provider = Provider(multicall=False, **way)
        with chains(clock, provider, request_s=0.5) as made:
            view = made.view(1)
            texts += [str(view), repr(view), repr(made.pool(1).providers), repr(made.troubles)]
            if isinstance(view, ChainView):
                texts.append(str(view.read({"a": call(TOKEN, SUPPLY), "b": call(TOKEN, "x()(bool)")})))
            try:
                made.pool(1).call("eth_call", {"to": TOKEN, "data": "0x"}, "latest")
            except RpcError as error:
                texts.append("".join(traceback.format_exception(error)))
    with chains(clock, Provider()) as made:
        made.pool(1)
    texts += _unreachable(made, clock)
    texts.append(caplog.text)
    leaks = [text for text in texts if KEY in text or "/v3" in text]
    assert len(texts) > len(ways) * 4
    assert leaks == []


def _unreachable(made: Chains, clock: ManualClock) -> list[str]:
    """The server behind `made` is gone; a malformed URL and an unknown host besides."""
    texts = [str(made.view(1))]
    for url in (f"http://127.0.0.1:1/v3/{KEY}", f"http://[bad/v3/{KEY}", f"ftp://127.0.0.1/v3/{KEY}", f"v3/{KEY}"):
        budget = Budget(clock=clock, sleep=clock.sleep)
        broken = Chains({"PROVIDER_URL_MAINNET": url, "PROVIDER_PUBLIC": "off"}, budget=budget)
        texts.append(str(broken.view(1)))
        assert isinstance(broken.view(1), Unknown)
    return texts


def test_providers_that_disagree_all_at_once_raise_no_false_value_and_stay_in_time(clock: ManualClock) -> None:
    behind = Provider(head=980)
    behind.views[TOKEN, SUPPLY] = 5
    hanging = Provider(hang=threading.Event())
    zoo = [behind, Provider(chain_id=10), hanging, Provider(status=429), Provider()]
    zoo[-1].views[TOKEN, "paused()(bool)"] = Failure(3, "execution reverted", "0x")
    started = time.monotonic()
    with chains(clock, *zoo, request_s=3) as made:
        read = view_of(made).read({"supply": call(TOKEN, SUPPLY), "paused": call(TOKEN, "paused()(bool)")})
        faults = {trouble.fault for trouble in made.troubles}
        assert len(made.troubles) == len({(one.host, one.fault) for one in made.troubles})
    assert read["supply"] == 10**24
    assert "reverted" in str(read["paused"])
    assert faults == {Fault.STALE_HEAD, Fault.WRONG_CHAIN, Fault.TRANSPORT, Fault.RATE_LIMIT}
    assert time.monotonic() - started < 60
    assert sum(one.count("eth_call") for one in zoo) == 1
