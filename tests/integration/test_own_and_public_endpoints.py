"""Own endpoints go first, public ones follow, and one that asks for a key or is gone is asked once in a task."""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from monitoring.base.http.client import Answer, FetchError, HttpClient, Request
from monitoring.chains.abi.values import Unknown
from monitoring.chains.networks import Network, network
from monitoring.chains.rpc.budget import Budget
from monitoring.chains.rpc.errors import Fault, RpcError
from monitoring.chains.rpc.multicall import call
from monitoring.chains.rpc.pool import ProviderPool
from monitoring.chains.rpc.views import Chains, ChainView
from monitoring.checks.engine.source_health import failing_providers, removed_providers
from monitoring.checks.state.load import NOTHING
from tests.support.chain_clock import ManualClock
from tests.support.rpc_server import KEY, Failure, Provider, serving

TOKEN = "0x" + "22" * 20
SUPPLY = "totalSupply()(uint256)"


@contextlib.contextmanager
def chain(own: list[Provider], public: list[Provider], **environ: str) -> Iterator[tuple[Chains, Network]]:
    """Yield the chains of a task and a mainnet whose public endpoints are on loopback."""
    clock = ManualClock()
    for one in (*own, *public):
        stale_s = getattr(one, "stale_s", 0)
        one.head_time = lambda stale_s=stale_s: clock.now().timestamp() - stale_s  # type: ignore[misc]
        one.views.setdefault((TOKEN, SUPPLY), 10**24)
    fetch = HttpClient()
    with serving(*own, *public) as urls:
        named = {f"PROVIDER_URL_MAINNET_{place}": url for place, url in enumerate(urls[: len(own)], 1)}
        known = replace(network(1), public_rpcs=tuple(urls[len(own) :]))
        budget = Budget(seconds=120, retries=60, request_s=20, clock=clock, sleep=clock.sleep)
        yield Chains({**named, **environ}, budget=budget, fetch=fetch), known
    fetch.close()


def supply(made: Chains, known: Network) -> Any:
    view = made.view(known)
    return view.read({"supply": call(TOKEN, SUPPLY)})["supply"] if isinstance(view, ChainView) else view


def test_a_public_endpoint_is_not_asked_while_an_own_one_answers() -> None:
    own, public = Provider(), Provider()
    with chain([own], [public]) as (made, known):
        assert supply(made, known) == 10**24
    assert (own.requests > 0, public.requests) == (True, 0)


@pytest.mark.parametrize("broken", [{"status": 503}, {"status": 401}, {"chain_id": 10}])
def test_public_endpoints_answer_where_no_own_one_does(broken: dict[str, Any]) -> None:
    with chain([Provider(**broken)], [Provider()]) as (made, known):
        assert supply(made, known) == 10**24


def test_public_endpoints_answer_where_the_own_one_is_behind() -> None:
    own, public = Provider(), Provider()
    own.stale_s = 7200  # type: ignore[attr-defined]
    with chain([own], [public]) as (made, known):
        assert supply(made, known) == 10**24
    assert own.count("eth_call") == 0


def test_a_few_public_endpoints_are_asked_at_once_and_the_next_ones_where_these_fail() -> None:
    good = [Provider() for _ in range(5)]
    with chain([], good) as (made, known):
        assert supply(made, known) == 10**24
    assert [one.requests > 0 for one in good] == [True, True, True, False, False]

    dead, alive = [Provider(status=401) for _ in range(3)], [Provider(), Provider()]
    with chain([], [*dead, *alive]) as (made, known):
        assert supply(made, known) == 10**24
    assert [one.requests for one in dead] == [1, 1, 1]


KEYED = Failure(-32000, "Unauthorized: You must authenticate your request with an API key")


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        ({"status": 401}, "HTTP 401"),
        ({"status": 403}, "HTTP 403"),
        ({"status": 404, "body": b"not found"}, "HTTP 404"),
        ({"status": 410, "body": b""}, "HTTP 410"),
        ({"body": b"<!DOCTYPE html><html><body>Sign up</body></html>"}, "answers with a web page (HTML)"),
        ({"failing": lambda _method, _params: KEYED}, "refused access"),
    ],
    ids=["401", "403", "404", "410", "html", "api key"],
)
def test_an_endpoint_that_asks_for_a_key_or_is_gone_is_left_out_after_one_answer_and_named(
    broken: dict[str, Any], why: str, caplog: pytest.LogCaptureFixture
) -> None:
    bad, good = Provider(**broken), Provider()
    with caplog.at_level(logging.WARNING, "monitoring.chains.pool"), chain([], [bad, good]) as (made, known):
        for _ in range(20):
            assert supply(made, known) == 10**24
            assert not isinstance(made.pool(known).call("eth_chainId"), RpcError)
        (trouble,) = made.troubles
    assert bad.requests == 1
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith("mainnet: left out for the rest of this task: 127.0.0.1 #1 (public): ")
    assert why in line
    assert why in trouble.message
    assert KEY not in line


def test_a_host_name_that_does_not_exist_is_asked_once_and_one_that_cannot_be_resolved_now_again() -> None:
    asked: list[str] = []

    def fetch(request: Request, _timeout_s: float) -> Answer:
        asked.append(request.host)
        raise FetchError(request.host, "cannot connect", no_such_name=request.host == "gone")

    clock = ManualClock()
    budget = Budget(clock=clock, sleep=clock.sleep)
    pool = ProviderPool(network(1), ("http://gone", "http://later"), fetch, budget, own=0)
    for _ in range(2):
        with pytest.raises(RpcError):
            pool.call("eth_blockNumber")
    assert asked.count("gone") == 1
    assert asked.count("later") > 1
    assert {one.host: one.fault for one in pool.troubles} == {
        "gone (public)": Fault.GONE,
        "later (public)": Fault.TRANSPORT,
    }


def test_a_chain_that_nobody_answers_says_why_of_each_endpoint() -> None:
    with chain([Provider(status=503)], [Provider(status=401), Provider(body=b"<html></html>")]) as (made, known):
        found = supply(made, known)
    assert isinstance(found, Unknown)
    assert found.reason == (
        "mainnet: 127.0.0.1: HTTP 503; 127.0.0.1 #1 (public): HTTP 401;"
        " 127.0.0.1 #2 (public): answers with a web page (HTML)"
    )


def test_public_endpoints_are_never_asked_where_they_are_switched_off() -> None:
    public = Provider()
    with chain([Provider(status=503)], [public], PROVIDER_PUBLIC="off") as (made, known):
        assert isinstance(supply(made, known), Unknown)
    assert public.requests == 0


def test_only_an_own_endpoint_that_fails_is_reported_and_a_report_of_a_public_one_ends() -> None:
    with chain([Provider(status=503), Provider()], [Provider(status=503)]) as (made, known):
        supply(made, known)
        found = failing_providers(made, NOTHING)
        assert [one.host for one in found if one.troubles] == ["127.0.0.1 #1"]
        assert removed_providers(made, NOTHING) == []
    with chain([], [Provider(status=503), Provider()]) as (made, known):
        supply(made, known)
        assert failing_providers(made, NOTHING) == []


def test_old_blocks_are_given_up_when_every_own_endpoint_says_so_whatever_dead_public_ones_do() -> None:
    own = Provider(failing=lambda method, _: Failure(4444, "pruned") if method == "eth_getLogs" else None)
    with chain([own], [Provider(status=503)]) as (made, known), pytest.raises(RpcError) as refused:
        made.pool(known).call("eth_getLogs", {"fromBlock": "0x1", "toBlock": "0x2"})
    assert refused.value.fault is Fault.HISTORY


def test_the_body_of_a_refusal_is_not_repeated_with_the_key_in_it() -> None:
    body = json.dumps({"error": f"no access for {KEY}"}).encode()
    with chain([Provider(status=403, body=body)], []) as (made, known):
        assert KEY not in str(supply(made, known))
