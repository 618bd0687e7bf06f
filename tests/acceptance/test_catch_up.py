"""After downtime: what was missed and asks for it is run once, one profile after the other."""

from __future__ import annotations

import signal
import subprocess
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from automation.jobs.load import load_profile
from automation.jobs.model import Profile
from automation.schedule.catch_up import CatchUpReason, decide
from monitoring.base.clock import to_text
from monitoring.store.db.schema import open_database
from monitoring.store.tables import schedules
from monitoring.store.tables.runs import RunRow
from monitoring.store.tables.schedules import Schedule
from tests.support.checkouts import write
from tests.support.host import Host, wait_until

TICK = datetime(2026, 11, 23, 8, 19, tzinfo=UTC)
NOW = TICK + timedelta(hours=3)


@pytest.fixture
def profile(tmp_path: Path) -> Profile:
    path = write(tmp_path / "jobs.yaml", "profiles: {daily: {cron: '19 8 * * *', catch_up: latest, tasks: []}}\n")
    return load_profile(path or tmp_path / "jobs.yaml", tmp_path, "daily")


def a_run(status: str = "missed", *, started_at: datetime = TICK, seconds: float = 1) -> RunRow:
    ended_at = started_at + timedelta(seconds=seconds)
    return RunRow(1, "daily", TICK, "cron", status, "", started_at, ended_at, 0, "", None, None, 1)  # type: ignore[arg-type]


YESTERDAY = a_run("ok", started_at=TICK - timedelta(days=1))


@pytest.mark.parametrize(
    ("changes", "tick_at", "row", "last", "now", "reason"),
    [
        ({}, TICK, a_run(), YESTERDAY, NOW, CatchUpReason.RUN),
        ({}, TICK, None, YESTERDAY, TICK + timedelta(seconds=1), CatchUpReason.RUN),
        ({}, TICK, a_run(), None, NOW, CatchUpReason.RUN),
        ({"catch_up": "none"}, TICK, a_run(), YESTERDAY, NOW, CatchUpReason.NOT_ASKED),
        ({"enabled": False}, TICK, a_run(), YESTERDAY, NOW, CatchUpReason.DISABLED),
        ({}, None, None, YESTERDAY, NOW, CatchUpReason.NOTHING_DUE),
        ({}, TICK, a_run("ok"), a_run("ok"), NOW, CatchUpReason.ANSWERED),
        ({}, TICK, a_run("skipped"), YESTERDAY, NOW, CatchUpReason.ANSWERED),
        ({}, TICK, a_run("aborted"), a_run("aborted"), NOW, CatchUpReason.ANSWERED),
        ({}, TICK, a_run(), a_run("failed", started_at=TICK + timedelta(hours=1)), NOW, CatchUpReason.RAN_SINCE),
        ({}, TICK, a_run(), YESTERDAY, TICK + timedelta(hours=23, minutes=59, seconds=40), CatchUpReason.NEXT_IS_NEAR),
        ({}, TICK, a_run(), replace(YESTERDAY, ended_at=TICK - timedelta(hours=12)), NOW, CatchUpReason.NEXT_IS_NEAR),
    ],
)
def test_a_profile_is_caught_up_only_for_a_newest_tick_that_nobody_ran(
    profile: Profile,
    changes: dict[str, object],
    tick_at: datetime | None,
    row: RunRow | None,
    last: RunRow | None,
    now: datetime,
    reason: CatchUpReason,
) -> None:
    assert decide(replace(profile, **changes), tick_at, row, last, now).reason is reason  # type: ignore[arg-type]


JOBS = """
profiles:
  first: {{cron: "{cron}", catch_up: latest, tasks: [{{name: task, script: {script}}}]}}
  second: {{cron: "{cron}", catch_up: latest, max_age: 30d, tasks: [{{name: task, script: {script}}}]}}
  never: {{cron: "{cron}", tasks: [{{name: task, script: {script}}}]}}
  short: {{cron: "{cron}", catch_up: latest, max_age: 10m, tasks: [{{name: task, script: {script}}}]}}
"""
LOGGED = """
import os, pathlib, time
log = pathlib.Path({log!r})
with log.open("a") as file:
    file.write(f"start {{time.time()}}\\n")
time.sleep(0.3)
with log.open("a") as file:
    file.write(f"end {{time.time()}}\\n")
"""


class Missed:
    """A host whose four profiles were due two hours ago while nothing ran."""

    def __init__(self, directory: Path, *, task: str = LOGGED) -> None:
        self.host = Host(directory)
        self.log = directory / "log"
        self.log.write_text("")
        now = datetime.now(UTC)
        self.tick = (now - timedelta(hours=2)).replace(second=0, microsecond=0)
        # Once a year, two hours ago: the next tick is far away.
        self.cron = f"{self.tick.minute} {self.tick.hour} {self.tick.day} {self.tick.month} *"
        script = self.host.script("logged", task.format(log=str(self.log)))
        self.host.jobs(JOBS.format(cron=self.cron, script=script))
        with open_database(self.host.cache / "monitoring.db") as database, database.write() as tx:
            known = [Schedule(name, self.cron) for name in ("first", "second", "never", "short")]
            schedules.record_in_force(tx, known, now - timedelta(days=1), "cron")

    def caught_up(self) -> list[tuple[object, ...]]:
        return self.host.rows("SELECT profile, status FROM runs WHERE trigger = 'catch-up' ORDER BY id")


def test_what_was_missed_is_run_once_one_profile_after_the_other(tmp_path: Path) -> None:
    missed = Missed(tmp_path)
    done = missed.host.automation("catch-up")
    assert done.returncode == 0, done.stderr
    assert missed.caught_up() == [("first", "ok"), ("second", "ok")]
    tick = f"({missed.tick:%Y-%m-%d %H:%M} UTC)"
    assert done.stdout.splitlines() == [
        f"first: caught up: its newest tick was missed {tick}",
        f"second: caught up: its newest tick was missed {tick}",
        "never: not run: jobs.yaml does not ask for it (it has no catch_up: latest)",
        "short: not run: no tick was due within its max_age",
    ]
    instants = [float(line.split()[1]) for line in missed.log.read_text().splitlines()]
    assert [line.split()[0] for line in missed.log.read_text().splitlines()] == ["start", "end"] * 2
    assert instants == sorted(instants), "never two at once"
    again = missed.host.automation("catch-up")
    assert again.returncode == 0
    assert f"first: not run: it has run since its newest tick {tick}" in again.stdout
    assert len(missed.caught_up()) == 2
    assert missed.host.rows("SELECT DISTINCT status FROM runs WHERE tick_at = ?", to_text(missed.tick)) == [("missed",)]


def test_a_catch_up_that_fails_says_so_and_is_not_tried_again(tmp_path: Path) -> None:
    missed = Missed(tmp_path, task="raise SystemExit(1)")
    assert missed.host.automation("catch-up", "--profile", "first").returncode == 1
    assert missed.host.automation("catch-up", "--profile", "first").returncode == 0
    assert missed.caught_up() == [("first", "failed")]


def test_the_audit_tells_that_a_missed_tick_was_caught_up(tmp_path: Path) -> None:
    missed = Missed(tmp_path)
    missed.host.automation("catch-up", "--profile", "first")
    audit = missed.host.automation("audit", "--since", "3h", "--profile", "first")
    assert audit.returncode == 1
    assert "first: the tick of" in audit.stdout
    assert "caught up at" in audit.stdout


def test_detached_it_returns_at_once_and_goes_on_by_itself(tmp_path: Path) -> None:
    go = tmp_path / "go"
    missed = Missed(tmp_path, task=LOGGED + f"\nwhile not pathlib.Path({str(go)!r}).exists(): time.sleep(0.02)\n")
    host = missed.host
    done = subprocess.run(
        host.command("catch-up", "--detach", "--profile", "first"),
        cwd=host.checkout, env=host.environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False,
        timeout=60,
    )  # fmt: skip
    assert done.returncode == 0
    wait_until(lambda: host.peek("SELECT 1 FROM runs WHERE status = 'running'"), "it runs in the background")
    second = host.automation("catch-up")
    assert second.returncode == 75
    assert "another catch-up is at work" in second.stderr
    go.write_text("")
    wait_until(lambda: missed.caught_up() == [("first", "ok")], "it ends by itself")


def test_up_catches_up_at_its_start(tmp_path: Path) -> None:
    missed = Missed(tmp_path)
    up = missed.host.start("up")
    wait_until(lambda: missed.caught_up() == [("first", "ok"), ("second", "ok")], "both were caught up", limit_s=60)
    up.send_signal(signal.SIGINT)
    output, _ = up.communicate(timeout=60)
    assert up.returncode == 0, output


def test_up_that_is_stopped_ends_the_run_it_was_catching_up(tmp_path: Path) -> None:
    missed = Missed(tmp_path, task=LOGGED + "\ntime.sleep(600)\n")
    up = missed.host.start("up")
    wait_until(missed.log.read_text, "the task runs", limit_s=60)
    began = time.monotonic()
    up.send_signal(signal.SIGTERM)
    output, _ = up.communicate(timeout=100)
    assert up.returncode == 0, output
    assert time.monotonic() - began < 60
    assert missed.caught_up() == [("first", "aborted")]
