"""B.4: the clock is a day or a year ahead while one run starts.

Nothing is written off as missed of the time that was jumped over until a second run agrees on it; what was written is
taken back when two runs agree on an earlier time, and what is really missed in that time is reported. `prune` forgets
nothing by such a clock. The audit names the step, in both directions.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from monitoring.base.clock import to_text
from monitoring.base.process_identity import ProcessId, current_process
from monitoring.store.db.schema import open_database
from monitoring.store.tables import alerts, runs, scheduler_events, schedules, silences
from monitoring.store.tables.schedules import Schedule
from tests.support.host import Host
from tests.support.shown_clock import ShownClock

pytestmark = pytest.mark.case("B.4")

DAY, YEAR = timedelta(days=1), timedelta(days=365)
CRON = "0/10 * * * *"


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """A host whose scheduler has started `hourly` every ten minutes until 25 minutes ago."""
    made = Host(tmp_path)
    made.profile({"good": "print('fine')"}, cron=CRON)
    now = datetime.now(UTC)
    with open_database(made.cache / "monitoring.db") as database, database.write() as tx:
        since = now - timedelta(minutes=25)
        schedules.record_in_force(tx, [Schedule("hourly", CRON)], since, "cron")
        runs.begin(
            tx, "hourly", tick_at=None, trigger="cron", now=since, process=str(process_of(since)), revision="",
            tasks_total=1,
        )  # fmt: skip
    return made


def process_of(started_at: datetime) -> ProcessId:
    """A process of this boot that started then; it may have been before the host came up: only differences count."""
    up_s = time.clock_gettime(time.CLOCK_BOOTTIME) - (datetime.now(UTC) - started_at).total_seconds()
    return ProcessId(1, int(up_s * 100), current_process().boot_id)


@pytest.fixture
def clock(tmp_path: Path) -> ShownClock:
    return ShownClock(tmp_path)


def run(host: Host, environ: Mapping[str, str] | None = None) -> None:
    heard = {"AUTOMATION_TRIGGER": "cron", "ALERTS_CONSOLE": "1"}  # what a run reports must reach somebody
    done = host.automation("run", "hourly", **heard, **(environ or {}))
    assert done.returncode == 0, done.stderr


def missed(host: Host) -> list[str]:
    return [str(row[0]) for row in host.rows("SELECT tick_at FROM runs WHERE status = 'missed' ORDER BY tick_at")]


def missed_ahead(host: Host) -> int:
    soon = to_text(datetime.now(UTC) + timedelta(hours=1))
    return len([tick for tick in missed(host) if tick > soon])


def findings(host: Host, *, environ: Mapping[str, str] | None = None) -> dict[str, list[str]]:
    """The texts of an audit of the last 24 hours, by kind."""
    done = host.automation("audit", "--json", **(environ or {}))
    found: dict[str, list[str]] = {}
    for finding in json.loads(done.stdout)["findings"]:
        found.setdefault(finding["kind"], []).append(finding["text"])
    return found


@pytest.mark.parametrize("ahead", [DAY, YEAR], ids=["a day", "a year"])
def test_a_run_by_a_clock_that_is_ahead_writes_nothing_off_and_the_next_ones_go_on(
    host: Host, clock: ShownClock, ahead: timedelta
) -> None:
    run(host, clock.gained(ahead))
    assert missed_ahead(host) == 0
    run(host)
    run(host)
    assert missed_ahead(host) == 0
    ten_minutes = timedelta(minutes=10)
    assert missed(host)[:1] <= [to_text(datetime.now(UTC) - ten_minutes)], "what was really missed is reported"
    assert missed(host)
    far = to_text(datetime.now(UTC) + 2 * DAY)
    assert host.rows("SELECT count(*) FROM runs WHERE tick_at > ?", far) == [(0,)], "no run answers what is far ahead"


def test_an_audit_by_a_clock_that_is_ahead_writes_nothing_off(host: Host, clock: ShownClock) -> None:
    host.automation("audit", **clock.gained(YEAR))
    assert missed_ahead(host) == 0
    assert host.rows("SELECT count(*) FROM schedules WHERE reconciled_to > ?", to_text(datetime.now(UTC))) == [(0,)]


def test_a_step_forward_that_two_runs_agree_on_is_believed_and_taken_back_when_two_agree_on_the_time_before(
    host: Host, clock: ShownClock
) -> None:
    for _ in range(2):
        run(host, clock.gained(DAY))
    assert missed_ahead(host) > 130, "the ticks of that day"
    for _ in range(2):
        run(host)
    assert missed_ahead(host) == 0
    (reconciled_to,) = host.rows("SELECT reconciled_to FROM schedules")[0]
    assert str(reconciled_to) < to_text(datetime.now(UTC)), "what is missed from now on is reported"


def test_what_a_clock_that_was_ahead_put_in_force_or_silenced_is_of_now(host: Host, clock: ShownClock) -> None:
    ahead = datetime.now(UTC) + YEAR
    with open_database(host.cache / "monitoring.db") as database, database.write() as tx:
        schedules.record_in_force(tx, [Schedule("hourly", "* * * * *")], ahead, "cron")
        scheduler_events.record_scheduler_start(tx, started_at=ahead, booted_at=ahead - DAY, kind="cron")
        silences.add(tx, "aave", None, now=ahead, ends_at=ahead + DAY, reason="upgrade", created_by="ana")
    run(host)
    run(host)
    now = to_text(datetime.now(UTC) + timedelta(minutes=1))
    late = host.rows(
        "SELECT effective_from FROM schedules WHERE effective_from > ? UNION ALL "
        "SELECT effective_until FROM schedules WHERE effective_until > ? UNION ALL "
        "SELECT started_at FROM scheduler_starts WHERE started_at > ? UNION ALL "
        "SELECT ends_at FROM silences WHERE ends_at > starts_at",
        now, now, now,
    )  # fmt: skip
    assert late == []


def test_a_clock_that_starts_in_1970_takes_nothing_of_the_history_back(host: Host, clock: ShownClock) -> None:
    run(host)
    before = host.rows("SELECT id, tick_at, status FROM runs ORDER BY id")
    force = host.rows("SELECT effective_from, reconciled_to FROM schedules")
    for _ in range(3):
        run(host, clock.shows(datetime(1970, 1, 1, 0, 3, tzinfo=UTC)))
    assert host.rows("SELECT id, tick_at, status FROM runs ORDER BY id")[: len(before)] == before
    assert host.rows("SELECT effective_from, reconciled_to FROM schedules") == force


def test_the_audit_names_a_step_in_either_direction(host: Host, clock: ShownClock) -> None:
    run(host, clock.gained(DAY))
    assert "stepped forward by 1 d between" in findings(host)["clock stepped forward"][0]
    assert "stepped back by 1 d" in findings(host)["clock stepped back"][0], "the newest run is ahead of this audit"
    run(host)
    found = findings(host)
    assert "stepped back by 1 d: after the run of" in found["clock stepped back"][0]
    assert len(found["clock stepped back"]) == len(found["clock stepped forward"]) == 1


def test_the_audit_itself_may_be_the_first_to_see_a_step(host: Host, clock: ShownClock) -> None:
    run(host)
    assert "clock stepped forward" not in findings(host)
    assert "by 2 h between" in findings(host, environ=clock.gained(timedelta(hours=2)))["clock stepped forward"][0]


def history(host: Host) -> None:
    with open_database(host.cache / "monitoring.db") as database, database.write() as tx:
        for days in (1, 50, 89):
            at = datetime.now(UTC) - timedelta(days=days)
            alerts.insert(tx, alerts.NewAlert("aave", "HIGH", f"{days} days old"), [], at)


def kept(host: Host) -> list[str]:
    return [str(row[0]) for row in host.rows("SELECT message FROM alert_events WHERE protocol = 'aave' ORDER BY id")]


@pytest.mark.parametrize("ahead", [DAY, YEAR, -YEAR], ids=["a day ahead", "a year ahead", "a year behind"])
def test_prune_refuses_by_a_clock_far_from_the_newest_row_and_says_what_to_do(
    host: Host, clock: ShownClock, ahead: timedelta
) -> None:
    history(host)
    run(host)
    done = host.automation("prune", **clock.gained(ahead))
    assert done.returncode == 1
    assert "nothing was forgotten: the clock shows 2" in done.stderr
    assert "timedatectl" in done.stderr
    assert kept(host) == ["1 days old", "50 days old", "89 days old"]
    assert host.automation("prune").returncode == 0


def test_the_daily_task_prunes_nothing_while_its_own_run_is_the_only_one_by_that_clock(
    host: Host, clock: ShownClock
) -> None:
    history(host)
    ahead = dict(clock.gained(YEAR))
    ahead["PYTHONPATH"] += f"{os.pathsep}{host.checkout}"
    own = ", ".join(f"{name}: '{value}'" for name, value in ahead.items())  # what a task starts with is its own affair
    task = (
        f"{{name: prune, script: protocols/housekeeping/main.py, args: {{do: prune}}, isolate: true, env: {{{own}}}}}"
    )
    host.jobs(f"profiles:\n  hourly: {{cron: '{CRON}', tasks: [{task}]}}\n")
    done = host.automation("run", "hourly", AUTOMATION_TRIGGER="cron", **ahead)
    assert done.returncode == 1
    assert "nothing was forgotten" in done.stderr
    assert kept(host) == ["1 days old", "50 days old", "89 days old"]


def test_a_clock_two_hours_ahead_makes_nothing_two_hours_older(host: Host, clock: ShownClock) -> None:
    with open_database(host.cache / "monitoring.db") as database, database.write() as tx:
        for hours in (1, 3):
            at = datetime.now(UTC) - timedelta(days=90) + timedelta(hours=hours - 2)
            alerts.insert(tx, alerts.NewAlert("aave", "HIGH", f"{hours}"), [], at)
    run(host)
    assert host.automation("prune", **clock.gained(timedelta(hours=2))).returncode == 0
    assert kept(host) == ["3"]
