"""Providers that cannot simulate, answer nonsense or are slow: what an alert then says, and that it is not held up."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from monitoring.base.http.client import Answer, FetchError, HttpClient, Request
from monitoring.chains.networks import network
from monitoring.checks.engine.point import SPARE_REQUEST_S, SPARE_S
from tests.integration.test_safes import ROW, later, watching
from tests.support import anvil, parts
from tests.support.anvil import Anvil
from tests.support.chain_clock import ManualClock
from tests.support.contracts import Contract
from tests.support.monitor_world import Round
from tests.support.own_contracts import runtime_code
from tests.support.relay import relay
from tests.support.rpc import RpcError
from tests.support.safes import CURATION, SafeService, queued, safe_at

pytestmark = pytest.mark.node
STRANGER = "0x" + "5a" * 20
SIMULATE, TRACE = "eth_simulateV1", "debug_traceCall"


@pytest.fixture(scope="module")
def shared() -> Iterator[Anvil]:
    if anvil.binary() is None:
        parts.missing(anvil.HOW_TO_GET_IT)
    with anvil.running("--chain-id", "1") as running:
        running.set_code(network(1).multicall3, runtime_code("Aggregate3"))
        safe_at(running)
        yield running


@pytest.fixture(scope="module")
def coin(shared: Anvil) -> Contract:
    made = parts.package("oz4", "ERC20PresetMinterPauser").deploy(shared, "Coin", "COIN")
    made.send("mint", CURATION, 10**20)
    return made


def transfer(coin: Contract, units: int, nonce: int = 0, **changes: Any) -> dict[str, Any]:
    return queued(nonce, to=coin.address, data=coin.artifact.calldata("transfer", STRANGER, units), **changes)


def reported(tmp_path: Path, url: str, *rows: dict[str, Any], **how: Any) -> Round:
    service = SafeService()
    with watching(tmp_path, service, {"mainnet": url}, **how) as world:
        world.run()
        service.rows["eth"] = list(rows)
        return later(world)


def test_a_provider_that_only_calls_says_whether_it_runs_and_is_not_called_failing(
    shared: Anvil, coin: Contract, tmp_path: Path
) -> None:
    with relay(shared, SIMULATE, TRACE) as provider:
        found = reported(tmp_path, provider.url, transfer(coin, 5))
        (told,) = found.told
        assert "Simulated: it runs. What it moves and changes was not looked at.\n" in told.text
        assert found.sources() == []
        assert provider.count(SIMULATE) == provider.count(TRACE) // 2 == 1, "what it does not know is asked once"

        (told,) = reported(tmp_path, provider.url, transfer(coin, 10**30)).told
        assert "Simulated: it fails: it reverts: GS013. What it moves and changes was not looked at.\n" in told.text


NONSENSE: dict[str, Any] = {
    "nothing": None,
    "an empty list": [],
    "no calls": [{}],
    "fewer calls": [{"calls": []}],
    "a text": "0x",
    "statuses that are none": [{"calls": [{"status": "yes", "returnData": "0x"}]}],
}


@pytest.mark.parametrize("what", NONSENSE)
def test_nonsense_is_no_simulation_and_never_no_risk(shared: Anvil, coin: Contract, tmp_path: Path, what: str) -> None:
    with relay(shared, twist=lambda method, _, result: NONSENSE[what] if method == SIMULATE else result) as provider:
        (told,) = reported(tmp_path, provider.url, transfer(coin, 5)).told
    assert "Not simulated: the provider answered nonsense" in told.text
    assert "That says nothing about what it does.\n" in told.text
    assert "Hash to sign: " in told.text, "the rest of the alert is there"


TROUBLES = {
    "pruned": ({"code": -32000, "message": "missing trie node 5f1e (path )"}, "no longer has blocks that old"),
    "rate limited": ({"code": 429, "message": "rate limit exceeded"}, "is rate limited"),
    "too heavy": ({"code": -32000, "message": "execution timeout"}, "finds it too heavy"),
}


@pytest.mark.parametrize("what", TROUBLES)
def test_a_provider_that_refuses_is_said_to_and_its_address_is_not(
    shared: Anvil, coin: Contract, tmp_path: Path, what: str
) -> None:
    error, said = TROUBLES[what]

    def refuse(method: str, _: list[Any], result: Any) -> Any:
        if method in (SIMULATE, TRACE):
            raise RpcError(method, error)
        return result

    with relay(shared, twist=refuse) as provider:
        found = reported(tmp_path, provider.url, transfer(coin, 5))
    (told,) = found.told
    assert f"Not simulated: the provider {said}. That says nothing about what it does.\n" in told.text
    assert "127.0.0.1" not in told.text
    assert found.sources() == []


def test_nonsense_of_a_tracer_is_none_either(shared: Anvil, coin: Contract, tmp_path: Path) -> None:
    with relay(
        shared, SIMULATE, twist=lambda method, _, result: {"pre": []} if method == TRACE else result
    ) as provider:
        (told,) = reported(tmp_path, provider.url, transfer(coin, 5)).told
    assert "Not simulated: the provider answered nonsense" in told.text


def test_a_provider_that_leaves_our_approvals_out_is_not_believed_that_it_fails(
    shared: Anvil, coin: Contract, tmp_path: Path
) -> None:
    def plainly(method: str, params: list[Any]) -> list[Any]:
        return params[:2] if method == "eth_call" else params

    with relay(shared, SIMULATE, TRACE, alter=plainly) as provider:
        (told,) = reported(tmp_path, provider.url, transfer(coin, 5)).told
    assert "Not simulated: the provider does not run it as if it were signed: GS025. " in told.text


@pytest.mark.parametrize("takes_s", [7, 1000])
def test_slow_simulations_hold_a_runs_alerts_up_for_no_longer_than_their_own_time(
    shared: Anvil, coin: Contract, tmp_path: Path, takes_s: int
) -> None:
    clock, http = ManualClock(datetime.now(UTC)), HttpClient()
    waited: list[float] = []

    def slow(request: Request, timeout_s: float) -> Answer:
        asked = json.loads(request.body) if request.body else {}
        methods = {one["method"] for one in (asked if isinstance(asked, list) else [asked]) if "method" in one}
        if methods & {SIMULATE, TRACE}:
            waited.append(min(timeout_s, takes_s))
            clock.advance(waited[-1])
            if takes_s > timeout_s:
                raise FetchError("provider", "no answer in time", timed_out=True)
        return http(request, timeout_s)

    second = "0x" + f"{takes_s % 200:02x}" * 20
    safe_at(shared, address=second)
    service = SafeService()
    rows = ROW + ROW.replace(CURATION, second)
    with watching(tmp_path, service, {"mainnet": shared.url}, rows, fetch=slow, clock=clock) as world:
        world.run()
        service.rows["eth"] = [transfer(coin, 5), transfer(coin, 5, safe=second)]
        found = later(world)
    assert len(found.told) == 2, "every alert is there"
    assert 0 < sum(waited) <= SPARE_S
    assert max(waited) <= SPARE_REQUEST_S
    assert found.sources() == [], "what simulations met is no trouble of the checks"
    texts = " ".join(one.text for one in found.told)
    assert ("Not simulated: the provider did not answer" in texts) is (takes_s > SPARE_S)
    assert "stay" not in texts, "what was not read in time is not called unchanged"
