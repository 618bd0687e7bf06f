"""One bug costs its own check: the others of the task are judged and told, the run says 1, and the bug is told once."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from monitoring.alerts.recording.store_alert import NOBODY
from monitoring.base.clock import SystemClock
from monitoring.checks.config.load_all import load_all
from monitoring.checks.engine.point import EvaluationPoint
from monitoring.checks.engine.runner import RunOutcome, run
from monitoring.checks.state.load import StoredMemory
from monitoring.conditions.outcome import Reason
from monitoring.store.db.handle import SteadyStore
from monitoring.store.db.schema import open_database
from monitoring.store.tables import deliveries
from tests.support.checks_host import ChecksHost
from tests.support.faulty import Bugs, faulty
from tests.support.kill_scene import LateClock
from tests.support.rpc_server import Failure, Provider, serving

A = "0x" + "11" * 20
SUPPLY = "totalSupply()(uint256)"
MIXED = f"""
monitor: mixed
chain: 1
contracts: {{a: "{A}"}}
faulty: [odd]
checks:
  - {{id: floor, require: a.totalSupply() >= 100, severity: high}}
"""


@pytest.fixture
def provider() -> Iterator[Provider]:
    one = Provider(head_time=time.time, views={(A, SUPPLY): 5})
    with serving(one):
        yield one


@pytest.fixture
def host(tmp_path: Path, provider: Provider) -> ChecksHost:
    return ChecksHost(tmp_path, {"PROVIDER_URL_MAINNET": provider.url})


def run_here(host: ChecksHost, bugs: Bugs, late_s: float = 0) -> RunOutcome:
    """Run a file as `python -m monitoring.checks run` does, with a type that has bugs."""
    types, clock = faulty(bugs), LateClock(late_s) if late_s else SystemClock()
    monitors, mistakes = load_all([host.file(MIXED)], types)
    assert mistakes == []
    with closing(SteadyStore(host.folder / "monitoring.db", clock)) as store:
        at = EvaluationPoint(host.environ, clock, memory=StoredMemory(store, clock))
        return run(monitors, at, store, NOBODY)


@pytest.mark.parametrize("place", ["read", "judge"])
def test_a_check_with_a_bug_loses_only_itself_and_is_told_once_and_its_end_once(
    host: ChecksHost, place: str, capfd: pytest.CaptureFixture[str]
) -> None:
    seen, bugs = [0], Bugs(place)
    first = run_here(host, bugs)
    assert first.trouble
    assert host.new(seen) == ["HIGH alert floor: 5 is below 100", "HIGH crash odd crashed"]
    assert f"ZeroDivisionError: the bug in {place}" in capfd.readouterr().err
    ((message, source),) = host.rows("SELECT message, source FROM alert_events WHERE kind = 'crash'")
    assert "This check was not judged; the others were." in message
    assert (f"the bug in {place}" in message, source) == (True, "crash")
    ((blind_why,),) = host.rows("SELECT blind_why FROM conditions WHERE check_name = 'odd'")
    assert blind_why == "the check crashed: ZeroDivisionError"
    assert run_here(host, bugs).trouble
    assert host.new(seen) == [], "told once"
    bugs.at = ""
    assert not run_here(host, bugs).trouble
    assert host.new(seen) == ["HIGH alert the faulty check: fired", "LOW recovery all checks run without a crash again"]
    assert host.rows("SELECT count(*) FROM conditions WHERE blind_since IS NOT NULL") == [(0,)]
    run_here(host, bugs)
    assert host.new(seen) == []


def test_an_alert_is_told_in_plain_words_where_its_own_have_a_bug(host: ChecksHost) -> None:
    seen, bugs = [0], Bugs("tell")
    assert run_here(host, bugs).trouble
    assert host.new(seen) == [
        "HIGH alert floor: 5 is below 100", "HIGH alert the faulty check", "HIGH crash odd crashed",
    ]  # fmt: skip
    assert not run_here(host, bugs).trouble, "it still fires, so there is nothing to say"
    assert host.new(seen) == ["LOW recovery all checks run without a crash again"]


def test_an_answerer_with_a_bug_costs_its_own_questions_and_is_told_once(host: ChecksHost) -> None:
    seen, bugs = [0], Bugs("answer")
    assert run_here(host, bugs).trouble
    assert host.new(seen) == ["HIGH alert floor: 5 is below 100", "HIGH crash reading a Wish crashed"]
    ((why,),) = host.rows("SELECT blind_why FROM conditions WHERE check_name = 'odd'")
    assert why == "reading a Wish crashed: ZeroDivisionError"
    assert run_here(host, bugs).trouble
    assert host.new(seen) == []
    bugs.at = ""
    assert not run_here(host, bugs).trouble
    assert host.new(seen) == ["HIGH alert the faulty check: fired", "LOW recovery all checks run without a crash again"]


def test_what_another_process_judged_meanwhile_is_judged_again_and_not_told_twice(
    host: ChecksHost, provider: Provider
) -> None:
    """The second run begins and ends while the first one waits for its reads."""
    file = host.file(MIXED.replace("faulty: [odd]\n", ""))
    inner: list[list[str]] = []

    def meanwhile(method: str, _params: object) -> Failure | None:
        if method == "eth_call" and not inner:
            inner.append([])
            inner[0] = host.run(file)
        return None

    provider.failing = meanwhile
    outer = host.run(file)
    assert [line.split()[-3:] for line in inner[0]] == [["firing", "breached,", "fired"]]
    assert [line.split()[-3:] for line in outer] == [["firing", "still", "bad"]]
    assert host.told == ["HIGH alert floor: 5 is below 100"]
    assert host.rows("SELECT times FROM conditions WHERE check_name = 'floor'") == [(2,)]


def test_a_message_that_was_refused_for_good_is_told_anew_an_hour_later(host: ChecksHost, provider: Provider) -> None:
    seen = [0]

    def run_later(minutes: int) -> list[str]:
        late_s = timedelta(minutes=minutes).total_seconds()
        provider.head_time = lambda: time.time() + late_s
        floor, _ = run_here(host, Bugs(on=False), late_s=late_s).seen
        assert floor.outcome.reason is not Reason.UNKNOWN
        return host.new(seen)

    run_here(host, Bugs(on=False))
    assert host.new(seen) == ["HIGH alert floor: 5 is below 100"]
    with open_database(host.folder / "monitoring.db") as database, database.write() as tx:
        tx.execute("UPDATE deliveries SET status = 'failed', error = 'Bad Request: chat not found'")
        deliveries.refresh_alerts(tx, [1])
    assert run_later(50) == [], "a chat that refuses is not asked at every run"
    assert run_later(61) == ["HIGH alert floor: 5 is below 100"]
    assert run_later(125) == [], "this one waits to be delivered"


def test_a_failing_provider_that_is_taken_out_ends_with_a_quiet_note(host: ChecksHost, provider: Provider) -> None:
    provider.views[A, SUPPLY] = 500
    file, seen = host.file(MIXED.replace("faulty: [odd]\n", "")), [0]
    with serving(Provider(chain_id=5, head_time=time.time)) as (bad,):
        for _ in range(3):
            host.run(file, PROVIDER_URL_MAINNET_1=bad.replace("127.0.0.1", "localhost"))
    assert host.new(seen) == ["LOW alert Ethereum: provider localhost failed in 3 consecutive runs"]
    host.run(file)
    assert host.new(seen) == [
        "LOW recovery No longer watched: Ethereum: provider localhost failed in 3 consecutive runs"
    ]
    assert host.rows("SELECT state FROM conditions WHERE check_name LIKE 'provider/%'") == [("ok",)]
    host.run(file)
    assert host.new(seen) == []
