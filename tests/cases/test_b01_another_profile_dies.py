"""B.1: a merge under which the profile that syncs runs well, and another one dies at every start, before its row.

Input: a ledger in which `hourly` ran until the commit was activated and has no row since, though the scheduler was
alive around its tick. Right: the next sync takes the commit back, reports it and runs its own tick with the commit
before. No commit goes for a tick that something else explains.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from automation.sync.other_profiles import has_run, silenced_profile
from automation.sync.probation import Probation
from monitoring.base.clock import to_text
from monitoring.base.process_identity import ProcessId, current_boot
from monitoring.store.db.database import Database
from monitoring.store.db.schema import open_database
from monitoring.store.tables import runs, scheduler_events, schedules
from monitoring.store.tables.schedules import Schedule
from tests.support.fake_telegram import BOT_TOKEN, CHAT, TelegramStandIn
from tests.support.following import Following

pytestmark = pytest.mark.case("B.1")
OLD, NEW = "a" * 40, "b" * 40
BOOT = current_boot()


class Ledger:
    """The rows of two profiles around an activation half an hour ago."""

    def __init__(self, path: Path, now: datetime) -> None:
        self.path, self.now = path, now
        with open_database(path) as database, database.write() as tx:
            since = now - timedelta(hours=1)
            entries = [Schedule("hourly", "* * * * *"), Schedule("multisig", "* * * * *", sync_before_run=True)]
            schedules.record_in_force(tx, entries, since, "test")

    def ran(self, profile: str, minutes_ago: float, revision: str) -> None:
        at = (self.now - timedelta(minutes=minutes_ago)).replace(second=0, microsecond=0)
        with open_database(self.path) as database, database.write() as tx:
            process = ProcessId(1, round((at - BOOT.at).total_seconds() * os.sysconf("SC_CLK_TCK")), BOOT.id)
            run_id = runs.begin(
                tx, profile, tick_at=at, trigger="cron", now=at, process=str(process), revision=revision, tasks_total=1
            )
            runs.finish(tx, run_id, "ok", exit_code=0, reason="", now=at)

    def scheduler_started(self, minutes_ago: float) -> None:
        at = self.now - timedelta(minutes=minutes_ago)
        with open_database(self.path) as database, database.write() as tx:
            scheduler_events.record_scheduler_start(tx, started_at=at, booted_at=BOOT.at, kind="cron")


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    found = Ledger(tmp_path / "monitoring.db", datetime.now(UTC))
    for minutes_ago, revision in ((40, OLD), (20, NEW), (1, NEW)):
        found.ran("multisig", minutes_ago, revision)
    return found


def silenced(ledger: Ledger, **changes: object) -> str:
    probation = Probation(NEW, OLD, ledger.now - timedelta(minutes=30))
    return silenced_profile(
        ledger.path,
        ledger.path.parent / "locks",
        replace(probation, **changes),
        ledger.now,
        current_boot(),  # type: ignore[arg-type]
    )


def test_a_profile_that_ran_before_and_left_no_row_since_is_named(ledger: Ledger) -> None:
    ledger.ran("hourly", 40, OLD)
    assert silenced(ledger) == "hourly, which ran before, has written no row since it was activated"


def test_one_run_of_the_new_revision_is_enough(ledger: Ledger) -> None:
    ledger.ran("hourly", 40, OLD)
    ledger.ran("hourly", 25, NEW)
    assert silenced(ledger) == ""


def test_a_profile_that_never_ran_says_nothing_of_the_revision(ledger: Ledger) -> None:
    assert silenced(ledger) == ""


def test_a_scheduler_that_was_stopped_explains_the_ticks(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "monitoring.db", datetime.now(UTC))
    ledger.ran("multisig", 20, NEW)  # the last sign of the scheduler before it was stopped
    ledger.ran("hourly", 40, OLD)
    ledger.scheduler_started(0.5)
    assert silenced(ledger, since=ledger.now - timedelta(minutes=5)) == ""


def test_two_days_later_nothing_is_judged_any_more(ledger: Ledger) -> None:
    ledger.ran("hourly", 40, OLD)
    assert silenced(ledger, since=ledger.now - timedelta(days=2)) == ""


def test_an_activation_in_the_future_was_noted_by_a_clock_that_was_ahead(ledger: Ledger) -> None:
    ledger.ran("hourly", 40, OLD)
    assert silenced(ledger, since=ledger.now + timedelta(microseconds=1)) == ""


def test_without_a_ledger_nobody_knows(tmp_path: Path) -> None:
    probation, now = Probation(NEW, OLD, datetime.now(UTC)), datetime.now(UTC)
    assert silenced_profile(tmp_path / "none.db", tmp_path, probation, now, BOOT) == ""
    assert not has_run(tmp_path / "none.db", probation, now)


def test_any_run_with_its_end_passes_the_revision(ledger: Ledger) -> None:
    since = ledger.now - timedelta(minutes=30)
    assert has_run(ledger.path, Probation(NEW, OLD, since), ledger.now)
    assert not has_run(ledger.path, Probation("c" * 40, OLD, since), ledger.now)


@pytest.fixture
def telegram() -> Iterator[TelegramStandIn]:
    with TelegramStandIn() as stand_in:
        yield stand_in


@pytest.mark.ci
def test_the_next_sync_takes_the_commit_back_and_runs_its_tick(tmp_path: Path, telegram: TelegramStandIn) -> None:
    followed = Following(tmp_path)
    host = followed.host
    host.environ |= {"TELEGRAM_API_URL": telegram.url, "TELEGRAM_BOT_TOKEN_DEFAULT": BOT_TOKEN}
    host.environ["TELEGRAM_CHAT_ID_DEFAULT"] = CHAT
    followed.write("notes", "")
    before = followed.push("start")
    followed.run()
    followed.write("protocols/test/look.py", "print('revision two')")
    commit = followed.push("two")
    assert "look | revision two" in followed.run()
    ledger = Ledger(host.cache / "monitoring.db", datetime.now(UTC))
    _activated_half_an_hour_ago(host.checkout, ledger.now)
    for profile, minutes_ago, revision in (
        ("hourly", 40, before),
        ("multisig", 40, before),
        ("multisig", 20, commit),
        ("multisig", 1, commit),
    ):
        ledger.ran(profile, minutes_ago, revision)
    for _ in range(2):
        assert "look | revision one" in followed.run()
    with open_database(ledger.path) as database:
        assert _newest_revision(database) == before
    taken_back = [message.text for message in telegram.messages if "was taken back" in message.text]
    assert len(taken_back) == 1
    assert commit[:12] in taken_back[0]
    assert "hourly, which ran before, has written no row" in taken_back[0]


def _activated_half_an_hour_ago(checkout: Path, now: datetime) -> None:
    path = checkout / ".git/monitoring-probation.json"
    record = json.loads(path.read_text())
    assert record["passed"]
    path.write_text(json.dumps({**record, "since": to_text(now - timedelta(minutes=30))}))


def _newest_revision(database: Database) -> str:
    (newest,) = runs.latest(database, "multisig")
    return newest.revision
