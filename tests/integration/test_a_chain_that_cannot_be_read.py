"""A chain of which nothing can be read: one HIGH alert after three runs or 30 minutes, and one recovery."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.checks_host import ChecksHost
from tests.support.rpc_server import KEY, Provider, serving
from utils.testing import SimChain, SimClock, run

A, B = "0x" + "11" * 20, "0x" + "22" * 20
SUPPLY = "totalSupply()(uint256)"
MONITOR = f"""\
monitor: acme
chain: mainnet
contracts: {{a: "{A}", b: "{B}"}}
checks:
  - {{id: small, require: a.totalSupply() < 200, severity: low}}
  - {{id: other, require: b.totalSupply() < 200, severity: low}}
"""


@pytest.fixture
def chain() -> SimChain:
    return SimChain({(A, SUPPLY): 100, (B, SUPPLY): 100})


def told(tmp_path: Path, chain: SimChain, clock: SimClock) -> list[str]:
    path = tmp_path / "monitor.yaml"
    path.write_text(MONITOR)
    return [f"{one.severity} {one.title}" for one in run(path, store=tmp_path, chain=chain, clock=clock)]


def test_it_is_said_in_the_second_hourly_run_once_and_ends_once(tmp_path: Path, chain: SimChain) -> None:
    clock = SimClock()
    heard = [told(tmp_path, chain, clock)]
    for down in (True, True, True, True, False, False):
        clock.move(timedelta(hours=1))
        chain.down = down
        heard.append(told(tmp_path, chain, clock))

    assert [len(each) for each in heard] == [0, 0, 1, 0, 0, 1, 0]
    assert heard[2][0].startswith("HIGH Ethereum cannot be read, 2 checks have no data (acme 2) since ")
    assert heard[5] == ["LOW Ethereum can be read again, no check is without data because of it"]


def test_it_is_said_in_the_third_run_where_runs_are_frequent(tmp_path: Path, chain: SimChain) -> None:
    clock, chain.down = SimClock(), True
    heard = []
    for _ in range(5):
        clock.move(timedelta(minutes=5))
        heard.append(len(told(tmp_path, chain, clock)))
    assert heard == [0, 0, 1, 0, 0]


def test_one_contract_that_cannot_be_read_waits_for_three_hours_or_runs(tmp_path: Path, chain: SimChain) -> None:
    clock = SimClock()
    del chain.calls[B, SUPPLY]
    heard = []
    for _ in range(3):
        clock.move(timedelta(hours=1))
        heard.append(told(tmp_path, chain, clock))
    assert [len(each) for each in heard] == [0, 0, 1]
    assert heard[2][0].startswith("MEDIUM Ethereum: totalSupply() of 0x2222")


@pytest.mark.parametrize(
    ("environ", "hint"),
    [
        ({}, "Check PROVIDER_URL_MAINNET in the env file; with PROVIDER_PUBLIC=on public endpoints are asked too."),
        ({"PROVIDER_URL_MAINNET": ""}, "Set PROVIDER_URL_MAINNET in the env file."),
    ],
)
def test_the_alert_counts_the_endpoints_by_reason_names_none_and_says_which_variable_helps(
    tmp_path: Path, environ: dict[str, str], hint: str
) -> None:
    host = ChecksHost(tmp_path, {})
    with serving(Provider(status=503), Provider(status=503), Provider(status=401)) as urls:
        names = [f"PROVIDER_URL_MAINNET{place}" for place in ("", "_1", "_2")]
        host.environ |= environ or dict(zip(names, urls, strict=True))
        file = host.file(MONITOR)
        for _ in range(3):
            host.do("run", file)
    ((message,),) = host.rows("SELECT message FROM alert_events")
    assert hint in message
    assert "python -m monitoring.chains probe mainnet" in message
    assert "127.0.0.1" not in message
    assert KEY not in message
    assert ("2 endpoints: HTTP 503; HTTP 401" in message) is (not environ)
