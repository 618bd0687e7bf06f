"""Every due tick ends as a row, written once, whoever looks."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from monitoring.base.process_identity import Boot, ProcessId
from monitoring.ledger.reconcile import gather_evidence, reconcile
from monitoring.ledger.ticks import GRACE
from monitoring.store.db.database import Database
from monitoring.store.db.schema import open_database
from monitoring.store.tables import runs, scheduler_events, schedules
from monitoring.store.tables.schedules import Schedule

TEN = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
BOOT = Boot("this-boot", TEN - timedelta(days=3))


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with open_database(tmp_path / "monitoring.db") as opened:
        with opened.write() as tx:
            schedules.record_in_force(tx, [Schedule("multisig", "0/10 * * * *")], TEN, "test")
        yield opened


def run_of(database: Database, tick: datetime, *, minutes: float | None) -> int:
    with database.write() as tx:
        run_id = runs.begin(
            tx, "multisig", tick_at=tick, trigger="cron", now=tick, process="p", revision="", tasks_total=0
        )
        if minutes is not None:
            ended_at = tick + timedelta(minutes=minutes)
            runs.finish(tx, run_id, "ok", exit_code=0, reason="", now=ended_at)
    return run_id


def look(database: Database, now: datetime, *, alive: bool = True) -> list[tuple[str, str, int | None]]:
    found = reconcile(database, now=now, boot=BOOT, is_alive=lambda _process: alive)
    return [(tick.tick_at.strftime("%H:%M"), tick.status, tick.held_by) for tick in found.unanswered]


def test_ticks_without_a_row_are_written_once(database: Database) -> None:
    run_of(database, TEN + timedelta(minutes=10), minutes=1)
    now = TEN + timedelta(minutes=35)
    assert look(database, now) == [("10:20", "missed", None), ("10:30", "missed", None)]
    assert look(database, now) == []
    assert database.row("SELECT count(*) FROM runs") == (3,)


def test_a_tick_within_its_grace_is_left_alone_and_written_later(database: Database) -> None:
    tick = TEN + timedelta(minutes=10)
    assert look(database, tick + GRACE - timedelta(seconds=1)) == []
    assert look(database, tick + GRACE) == [("10:10", "missed", None)]


def test_a_long_run_is_named_as_the_holder_of_each_tick_it_took(database: Database) -> None:
    run_id = run_of(database, TEN + timedelta(minutes=10), minutes=25)
    assert look(database, TEN + timedelta(minutes=40)) == [("10:20", "skipped", run_id), ("10:30", "skipped", run_id)]


def test_a_run_whose_process_is_gone_is_closed_and_its_later_ticks_are_missed_not_skipped(database: Database) -> None:
    run_id = run_of(database, TEN + timedelta(minutes=10), minutes=None)
    look(database, TEN + timedelta(minutes=13), alive=False)
    assert look(database, TEN + timedelta(minutes=25)) == [("10:20", "missed", None)]
    found = runs.get(database, run_id)
    assert found is not None
    assert found.status == "aborted"


def test_what_was_looked_at_is_not_looked_at_again(database: Database) -> None:
    now = TEN + timedelta(minutes=35)
    look(database, now)
    (entry,) = schedules.in_force(database)
    assert entry.reconciled_to == now - GRACE


def test_a_scheduler_that_started_after_the_ticks_had_been_stopped(database: Database) -> None:
    started_by_it(database, TEN + timedelta(minutes=10), BOOT)
    with database.write() as tx:
        scheduler_events.record_scheduler_start(
            tx, started_at=TEN + timedelta(minutes=34), booted_at=BOOT.at, kind="cron"
        )
    found = reconcile(database, now=TEN + timedelta(minutes=35), boot=BOOT, is_alive=lambda _process: True)
    assert [(tick.tick_at.minute, tick.reason) for tick in found.unanswered] == [
        (minute, "the scheduler was stopped (it started at 2026-11-23 10:34 UTC)") for minute in (20, 30)
    ]


def started_by_it(database: Database, tick: datetime, boot: Boot, *, late: timedelta = timedelta(0)) -> None:
    """Write a run that its scheduler started, with a process whose start the kernel has noted."""
    jiffies = round((tick + late - boot.at).total_seconds() * os.sysconf("SC_CLK_TCK"))
    process = str(ProcessId(1, jiffies, boot.id))
    with database.write() as tx:
        run_id = runs.begin(
            tx, "multisig", tick_at=tick, trigger="cron", now=tick + late, process=process, revision="", tasks_total=0
        )
        runs.finish(tx, run_id, "ok", exit_code=0, reason="", now=tick + late)


def signs(database: Database) -> list[tuple[datetime, bool]]:
    evidence = gather_evidence(database, "multisig", TEN, TEN + timedelta(days=1), BOOT)
    return [(sign.at, sign.answers) for sign in evidence.after(TEN - timedelta(days=1))]


def test_the_scheduler_acted_at_the_tick_however_late_the_process_came(database: Database) -> None:
    started_by_it(database, TEN + timedelta(minutes=10), BOOT, late=timedelta(seconds=50))
    assert signs(database) == [(TEN + timedelta(minutes=10), True)]


def test_a_run_that_is_dated_later_than_one_recorded_after_it_is_no_sign_if_its_clock_was_set_back(
    database: Database,
) -> None:
    ahead = Boot(BOOT.id, BOOT.at + timedelta(hours=5))
    started_by_it(database, TEN + timedelta(hours=5), ahead)
    started_by_it(database, TEN + timedelta(minutes=10), BOOT)
    assert signs(database) == [(TEN + timedelta(minutes=10), True)]


def test_nor_if_it_was_of_another_boot(database: Database) -> None:
    started_by_it(database, TEN + timedelta(hours=5), Boot("another-boot", BOOT.at))
    started_by_it(database, TEN + timedelta(minutes=10), BOOT)
    assert signs(database) == [(TEN + timedelta(minutes=10), True)]


def test_two_runs_of_one_clock_that_were_recorded_in_the_other_order_are_both_signs(database: Database) -> None:
    for minutes_ in (20, 10):
        started_by_it(database, TEN + timedelta(minutes=minutes_), BOOT)
    assert [at.minute for at, _ in signs(database)] == [10, 20]


def test_a_year_of_silence_is_written_tick_by_tick(database: Database) -> None:
    found = look(database, TEN + timedelta(days=365))
    assert len(found) == 365 * 144 - 1
    assert database.row("SELECT count(DISTINCT tick_at) FROM runs") == (len(found),)


def test_a_changed_schedule_is_judged_by_what_was_in_force(database: Database) -> None:
    with database.write() as tx:
        schedules.record_in_force(tx, [Schedule("multisig", "30 * * * *")], TEN + timedelta(minutes=15), "test")
    assert look(database, TEN + timedelta(minutes=40)) == [("10:10", "missed", None), ("10:30", "missed", None)]
