"""Every due tick ends as a row, written once, whoever looks."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from monitoring.base.process_identity import Boot
from monitoring.ledger.reconcile import reconcile
from monitoring.ledger.ticks import GRACE
from monitoring.store.db.database import Database
from monitoring.store.db.schema import open_database
from monitoring.store.tables import runs, schedules
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


def test_a_year_of_silence_is_written_tick_by_tick(database: Database) -> None:
    found = look(database, TEN + timedelta(days=365))
    assert len(found) == 365 * 144 - 1
    assert database.row("SELECT count(DISTINCT tick_at) FROM runs") == (len(found),)


def test_a_changed_schedule_is_judged_by_what_was_in_force(database: Database) -> None:
    with database.write() as tx:
        schedules.record_in_force(tx, [Schedule("multisig", "30 * * * *")], TEN + timedelta(minutes=15), "test")
    assert look(database, TEN + timedelta(minutes=40)) == [("10:10", "missed", None), ("10:30", "missed", None)]
