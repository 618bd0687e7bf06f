"""A provider that answers `0x` to every call blinded all checks; the run was `ok`, and each call got its own alert.

Input: sixty checks of sixty contracts through a provider that answers every call with `0x`, alone and next to a good
one; one that reverts everything; one that lost its state between runs. Right result: another provider is asked and the
bad one is named; without another one the run exits 1 and says `no data`, its row does too, and after three runs ONE
message speaks of the chain.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from monitoring.chains.networks import network
from tests.support.checks_host import ChecksHost
from tests.support.host import Host
from tests.support.rpc_server import Failure, Provider, serving

pytestmark = pytest.mark.case("C.10")
SUPPLY = "totalSupply()(uint256)"
CONTRACTS = [f"0x{place:040d}" for place in range(1001, 1061)]  # digits alone: no checksum
ROWS = "\n".join(f'    - {{name: c{place}, at: "{address}"}}' for place, address in enumerate(CONTRACTS))
FILE = f"""
monitor: many
chain: 1
for_each:
  c:
{ROWS}
checks: [{{id: "floor/{{c.name}}", require: erc20(c.at).totalSupply() >= 100, severity: critical}}]
"""


def healthy(**more: Any) -> Provider:
    return Provider(head_time=time.time, views={(one, SUPPLY): 150 for one in CONTRACTS}, **more)


def answering_nothing() -> Provider:
    """Its head moves, and every call and code is empty."""
    provider = healthy()
    provider.raw = lambda asked: _empty(asked) if _of(asked) in ("eth_call", "eth_getCode") else None
    return provider


def _of(asked: Any) -> str:
    return str((asked[0] if isinstance(asked, list) else asked)["method"])


def _empty(asked: Any) -> Any:
    rows = [
        {"jsonrpc": "2.0", "id": one["id"], "result": "0x"} for one in (asked if isinstance(asked, list) else [asked])
    ]
    return rows if isinstance(asked, list) else rows[0]


def host_with(tmp_path: Path, *urls: str) -> ChecksHost:
    return ChecksHost(tmp_path, {f"PROVIDER_URL_MAINNET_{place}": url for place, url in enumerate(urls, 1)})


@pytest.mark.parametrize("bad", ["nothing", pytest.param("reverts", marks=pytest.mark.ci)])
def test_another_provider_is_asked_and_the_bad_one_is_named_once(tmp_path: Path, bad: str) -> None:
    reverting = healthy(failing=lambda method, _: Failure(3, "execution reverted") if method == "eth_call" else None)
    first = answering_nothing() if bad == "nothing" else reverting
    with serving(first, healthy()) as urls:
        host = host_with(tmp_path, *urls)
        for _ in range(3):
            lines = host.run(host.file(FILE))
            assert [line for line in lines if "unknown" in line] == []
    (told,) = host.told
    assert told.startswith("LOW alert Ethereum: provider 127.0.0.1 #1 failed in 3 consecutive runs")
    ((message,),) = host.rows("SELECT message FROM alert_events")
    assert "answers as if the chain were empty" in message


def test_alone_it_makes_the_run_say_no_data_and_the_chain_is_one_message(tmp_path: Path) -> None:
    with serving(answering_nothing()) as urls:
        host = host_with(tmp_path, *urls)
        for _ in range(4):
            lines = host.run_without_data(host.file(FILE))
            assert len(lines) == 60
            assert all(" unknown" in line for line in lines)
    (told,) = host.told
    assert told.startswith("HIGH alert Ethereum cannot be read, 60 checks have no data (many 60) since ")
    ((message,),) = host.rows("SELECT message FROM alert_events")
    assert "answers as if the chain were empty" in message
    assert host.rows("SELECT DISTINCT blind_by FROM conditions WHERE blind_since IS NOT NULL") == [("mainnet",)]


def test_a_provider_whose_calls_alone_are_empty_is_told_by_the_code_it_has(tmp_path: Path) -> None:
    provider = healthy()
    provider.views[network(1).multicall3, SUPPLY] = 1  # it has code there
    provider.raw = lambda asked: _empty(asked) if _of(asked) == "eth_call" else None
    with serving(provider) as urls:
        lines = host_with(tmp_path, *urls).run_without_data(ChecksHost(tmp_path).file(FILE))
    assert all("Multicall3 has code" in line for line in lines)


@pytest.mark.ci
def test_many_calls_that_revert_each_for_itself_are_one_message_and_a_few_are_their_own(tmp_path: Path) -> None:
    provider = healthy()
    with serving(provider) as urls:
        host, seen = host_with(tmp_path, *urls), [0]
        for one in CONTRACTS[:2]:
            provider.views[one, SUPPLY] = Failure(3, "execution reverted")
        for _ in range(3):
            host.run(host.file(FILE))
        assert [told.split(": ")[0] for told in host.new(seen)] == ["HIGH alert Ethereum"] * 2
        for one in CONTRACTS[:40]:
            provider.views[one, SUPPLY] = Failure(3, "execution reverted")
        for _ in range(4):
            host.run_without_data(host.file(FILE))
        (told,) = host.new(seen)
        assert told.startswith("HIGH alert Ethereum cannot be read, 38 of 60 checks have no data (")
        for one in CONTRACTS:
            provider.views[one, SUPPLY] = 150
        host.run(host.file(FILE))
        assert sorted(told.split(": ")[0] for told in host.new(seen)) == [
            "LOW recovery Ethereum",
            "LOW recovery Ethereum",
            "LOW recovery Ethereum can be read again, no check is without data because of it",
        ]
    assert host.rows("SELECT count(*) FROM conditions WHERE monitor = 'sources' AND state = 'firing'") == [(0,)]


def test_the_row_of_such_a_run_says_no_data(tmp_path: Path) -> None:
    host = Host(tmp_path)
    (host.checkout / "protocols/many.yaml").write_text(FILE)
    host.jobs(
        "profiles:\n  hourly:\n    cron: '5 * * * *'\n    tasks: [{name: many, monitors: [protocols/many.yaml]}]\n"
    )
    with serving(answering_nothing()) as (url,):
        host.environ["PROVIDER_URL_MAINNET"] = url
        assert host.automation("run", "hourly").returncode == 1
    assert host.rows("SELECT status, exit_code, reason FROM runs") == [
        ("failed", 1, "1 of 1 tasks failed: many (no data)")
    ]
