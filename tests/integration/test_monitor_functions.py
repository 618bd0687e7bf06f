"""Functions that judge: killed, with a store that fails, two at once; and two monitors with the awkward parts."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import apsw
import pytest

from monitoring.store.db.schema import open_database
from tests.support import anvil, parts
from tests.support.checks_host import ChecksHost
from tests.support.rpc_server import Failure, Provider, serving
from utils.monitor import CRITICAL, HIGH, LOW, MEDIUM, Context, call, monitor
from utils.testing import SimChain, SimClock, local_chain, run

A = "0x" + "11" * 20
SUPPLY = "totalSupply()(uint256)"
SCRIPT = f"""
from utils.monitor import HIGH, LOW, call, monitor

@monitor("vault")
def main(m):
    with m.together():
        supply = m.chain(1).read(supply=call("{A}", "{SUPPLY}")).supply
        m.limit("floor", supply, below=100, severity=HIGH)
        m.changed("value", supply, severity=LOW)
        m.remember("cursor", supply)

if __name__ == "__main__":
    main()
"""


class Scripts(ChecksHost):
    """A host that runs the script instead of files."""

    def command(self, verb: str, *arguments: object) -> list[str]:
        return [sys.executable, str(self.folder / "main.py")]

    @property
    def cursor(self) -> list[tuple[Any, ...]]:
        return self.rows("SELECT value FROM monitor_state WHERE namespace = 'monitor:vault'")


@pytest.mark.parametrize("moment", ["at its reads", 0.01])
def test_a_killed_function_leaves_neither_alert_nor_cursor_and_is_made_up_for(
    tmp_path: Path, moment: str | float
) -> None:
    provider = Provider(head_time=time.time, views={(A, SUPPLY): 150})
    with serving(provider):
        host = Scripts(tmp_path, {"PROVIDER_URL_MAINNET": provider.url})
        host.file(SCRIPT, "main.py")
        host.run()
        provider.views[A, SUPPLY] = 5
        _kill(host, provider, moment)
        assert (host.told, host.cursor) in [([], [("150",)]), (_ALL, [("5",)])]
        host.run()
        assert (host.told, host.cursor) == (_ALL, [("5",)])
        host.run()
        assert host.told == _ALL


_ALL = ["HIGH alert floor: 5 is below 100", "LOW alert value changed: 150 → 5"]


def _kill(host: Scripts, provider: Provider, moment: str | float) -> None:
    """Kill when the provider is asked, or so long after it answered."""
    victim: list[int] = []

    def meet(asked: str, _params: list[Any]) -> Failure | None:
        if asked == "eth_call" and isinstance(moment, str):
            os.kill(victim[0], signal.SIGKILL)
        return None

    provider.failing, before = meet, provider.count("eth_call")
    process = subprocess.Popen(
        host.command("run"), env=host.env(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    victim.append(process.pid)
    if not isinstance(moment, str):
        deadline = time.monotonic() + 60
        while provider.count("eth_call") == before and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.0005)
        time.sleep(moment)
        process.kill()
    process.wait(60)
    provider.failing = lambda _method, _params: None


def test_a_store_that_fails_keeps_nothing_and_the_alert_is_said_to_the_runner(tmp_path: Path) -> None:
    provider = Provider(head_time=time.time, views={(A, SUPPLY): 5})
    with serving(provider), closing(open_database(tmp_path / "monitoring.db")) as database:
        with database.write() as tx:
            tx.execute(
                "CREATE TRIGGER full AFTER INSERT ON conditions WHEN NEW.check_name = 'value' "
                "BEGIN SELECT RAISE(ABORT, 'the disk is full'); END"
            )
        host = Scripts(tmp_path, {"PROVIDER_URL_MAINNET": provider.url})
        host.file(SCRIPT, "main.py")
        done = host.do("run")
        assert done.returncode == 1
        assert "ALERT NOT STORED: HIGH vault: " in done.stderr
        assert "floor: 5 is below 100" in done.stderr
        assert done.stderr.count("the store failed") == 1
        assert (host.told, host.cursor, host.rows("SELECT * FROM conditions")) == ([], [], [])


def test_two_runs_at_once_tell_one_thing_once_however_they_interleave(tmp_path: Path) -> None:
    @monitor("vault")
    def main(m: Context) -> None:
        m.limit("floor", 5, below=100, severity=HIGH)

    for moment in range(1, 40):
        folder = tmp_path / str(moment)
        folder.mkdir()
        clock = _Interrupted(moment, folder, lambda folder=folder: run(main, store=folder, clock=SimClock()))
        first = run(main, store=folder, clock=clock)
        with closing(open_database(folder / "monitoring.db")) as database:
            assert database.rows("SELECT title FROM alert_events") == [("floor: 5 is below 100",)]
        assert first.states == {"floor": "firing"}
        if not clock.came:
            break
    assert moment > 3, "there is no moment between reading and recording"


class _Interrupted(SimClock):
    """A clock that lets another whole run happen when it is asked for the nth time, unless that would have to wait."""

    def __init__(self, moment: int, folder: Path, act: Any) -> None:
        super().__init__()
        self._left, self._folder, self._act, self.came = moment, folder, act, False

    def now(self) -> datetime:
        self._left -= 1
        if self._left == 0:
            self.came = True
            if not self._is_writing():
                self._act()
        return super().now()

    def _is_writing(self) -> bool:
        with closing(apsw.Connection(str(self._folder / "monitoring.db"))) as database:
            try:
                database.execute("BEGIN IMMEDIATE; ROLLBACK")
            except apsw.BusyError:
                return True
        return False


# -- a monitor with the awkward parts: shares of a total, rows of a service -------------------------------------------

IUSD = "0x48f9e38f3070AD8945DFEae3FA70987722E3D89c"
API = "https://api.example/protocol/data"
SAFE_WORDS = ("aave horizon", "sgho", "maple")


@monitor("infinifi")
def infinifi(m: Context) -> None:
    supply = m.chain(1).read(supply=call(IUSD, SUPPLY, decimals=18)).supply
    api = m.http(API, ok=lambda body: body["code"] == "OK")
    asset, tvl = api["data.stats.asset"], api["data.stats.asset.tvl"]
    m.delta("big-mint", supply, max_rise="5%", baseline_max_age="3h", severity=LOW, unit="iUSD")
    m.limit("backing", tvl / supply, below="0.999", severity=CRITICAL)
    m.limit("liquid", asset["liquid"], below=8_000_000, severity=HIGH, unit="usd")
    m.limit("redemptions", asset["pending"] / asset["liquid"], above="80%", severity=HIGH, unit="%")
    risky = Fraction(0)
    for farm in api["data.farms"]:
        share, name = farm["assets"] / tvl, farm["name"]
        m.delta(f"farm/{farm['address']}", share, max_change="30%", min_abs="1%", severity=LOW, text=name)
        if not any(word in name.lower() for word in SAFE_WORDS):
            risky += farm["assets"]
    m.limit("junior-vs-risky", api["data.stats.locked"] / risky, below="50%", severity=HIGH, unit="%")


def test_the_monitor_of_farms_fires_keeps_still_and_recovers(tmp_path: Path) -> None:
    asset = {"tvl": 100_000_000.5, "liquid": 20_000_000, "pending": 1_000_000}
    farms = [{"address": A, "name": "Maple", "assets": 60_000_000}, {"address": IUSD, "name": "X", "assets": 9_000_000}]
    data = {"code": "OK", "data": {"stats": {"asset": asset, "locked": 8_000_000}, "farms": farms}}
    chain, clock, http = SimChain({(IUSD, SUPPLY): 10**26}), SimClock(), {API: data}

    def again() -> dict[str, str]:
        clock.move("1h")
        return run(infinifi, chain=chain, clock=clock, http=http, store=tmp_path).kinds

    assert again() == {}
    chain.calls[IUSD, SUPPLY] = 106 * 10**24
    asset["liquid"], farms[1]["assets"] = 1_200_000, 30_000_000
    fired = {"big-mint": "fired", "backing": "fired", "liquid": "fired", "redemptions": "fired"}
    assert again() == {**fired, f"farm/{IUSD}": "fired", "junior-vs-risky": "fired"}
    assert again() == {}
    http[API] = 503  # type: ignore[assignment]
    assert again() == {}, "a service that fails neither fires nor clears"
    http[API] = data
    chain.calls[IUSD, SUPPLY] = 10**26
    asset["liquid"] = 20_000_000
    assert again() == {"backing": "recovered", "liquid": "recovered", "redemptions": "recovered"}


# -- a staged watch over GraphQL ---------------------------------------------------------------------------------------

DAY = 86400
STAGES = ["grace", "delinquent", "14d", "7d", "3d", "1d", "default"]


def stage(row: Any, now: datetime) -> str:
    left = row["default_at"] - int(now.timestamp())
    if row["default_started"] or left <= 0:
        return "default"
    near = [name for name, days in (("1d", 1), ("3d", 3), ("7d", 7), ("14d", 14)) if left <= days * DAY]
    return near[0] if near else "delinquent" if now.timestamp() > row["grace_ends"] else "grace"


@monitor("3jane-borrowers", channel="3jane")
def borrowers(m: Context) -> None:
    data = m.graphql(m.env("ENVIO_GRAPHQL_URL"), "{ Borrower { id } }", require=["Borrower"])
    m.stages(
        "default-watch", data["Borrower"], id=lambda row: (row["market"], row["borrower"].lower()),
        stage=lambda row: stage(row, m.now), order=STAGES, alert_from="delinquent",
        severities={"1d": HIGH, "default": CRITICAL}, severity=MEDIUM,
    )  # fmt: skip


def test_the_watch_of_borrowers_tells_each_later_stage_once(tmp_path: Path) -> None:
    clock, url = SimClock(), "https://indexer.example/graphql"
    start = int(clock.now().timestamp())
    row = {"market": "m", "borrower": "0xAB", "default_started": False}
    row |= {"grace_ends": start + DAY, "default_at": start + 20 * DAY}
    http: dict[str, Any] = {url: {"data": {"Borrower": [row]}}}
    told = []
    for days in (0, 2, 2, 10, 5.5, 3):
        clock.move(f"{int(days * DAY)}s")
        found = run(borrowers, clock=clock, http=http, store=tmp_path, environ={"ENVIO_GRAPHQL_URL": url})
        told.append([f"{one.kind} {one.severity}" for one in found])
    assert told == [[], ["fired MEDIUM"], [], ["worsened MEDIUM"], ["worsened HIGH"], ["worsened CRITICAL"]]
    http[url] = {"errors": [{"message": "the indexer resyncs"}]}
    seen = run(borrowers, clock=clock, http=http, store=tmp_path, environ={"ENVIO_GRAPHQL_URL": url})
    assert (list(seen), list(seen.unknown)) == ([], ["default-watch"])


def test_a_file_is_run_over_a_table_as_a_function_is(tmp_path: Path) -> None:
    file = tmp_path / "monitor.yaml"
    file.write_text(
        f'{{monitor: vault, chain: 1, contracts: {{a: "{A}"}}, '
        "checks: [{id: floor, require: a.totalSupply() >= 100, severity: high}]}"
    )
    chain, clock = SimChain({(A, SUPPLY): 5}), SimClock()
    assert run(file, chain=chain, clock=clock, store=tmp_path).kinds == {"floor/1": "fired"}
    chain.calls[A, SUPPLY] = 200
    assert run(file, chain=chain, clock=clock, store=tmp_path).kinds == {"floor/1": "recovered"}


def test_a_real_node_is_read_as_the_table_is(tmp_path: Path) -> None:
    program = anvil.binary()
    if program is None:
        parts.missing(anvil.HOW_TO_GET_IT)

    @monitor("vault")
    def main(m: Context) -> None:
        m.limit("floor", m.chain(1).read(supply=call(A, SUPPLY)).supply, below=100, severity=HIGH)

    with local_chain(program=program) as chain:
        chain.rpc("anvil_setCode", A, "0x602a60005260206000f3")  # whatever it is asked, it returns 42
        assert [one.title for one in run(main, chain=chain, store=tmp_path)] == ["floor: 42 is below 100"]
