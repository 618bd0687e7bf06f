"""A damaged or lost database: readings come along as far as they can be read, and what is lost is counted and said.

Every table of an addition either comes along as well, or it is written here why it cannot.
"""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import apsw
import pytest

from benchmarks.worlds import readings
from monitoring.base.clock import SystemClock
from monitoring.store.db import lost
from monitoring.store.db.database import Database
from monitoring.store.db.schema import open_database
from monitoring.store.maintenance import repair, salvage_readings
from monitoring.store.maintenance.backups import back_up
from monitoring.store.maintenance.restore import put_in_place, staged
from monitoring.store.readings.dropping import dropped_so_far
from monitoring.store.readings.history import history
from monitoring.store.readings.stretches import stretches
from monitoring.store.tables import alerts
from monitoring.store.tables.alerts import NewAlert
from tests.support.added_tables import LONG_AGO, added_tables, fill_empty, rows_of

CHECKS, DAYS = 30, 3
ENDS_AT = readings.BEGINS_AT + timedelta(days=DAYS)
# What stays behind when a database is damaged or lost, and why.
LEFT_BEHIND = {
    "alert_threads": "of an alert that was delivered",
    "acknowledgements": "the incident stays behind and begins again",
    "closed_days": "the rows that they cover stay behind",
    "closed_rows": "as the days they belong to",
    "explanations": "of an alert that was delivered",
    "message_buttons": "of an alert that was delivered",
    "provider_requests": "of a run, which stays behind",
    "sent_messages": "of an alert that was delivered",
}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("built") / "monitoring.db"
    readings.build(found, CHECKS, 24 * DAYS, CHECKS)
    with open_database(found) as database:
        database.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return found


@pytest.fixture
def path(built: Path, tmp_path: Path) -> Path:
    (tmp_path / "host").mkdir()
    return Path(shutil.copy(built, tmp_path / "host"))


def spans_of(database: Database) -> dict[int, list[tuple[object, ...]]]:
    """Return all that is known of each check over time: what the API and charts are made of."""
    since = readings.BEGINS_AT - timedelta(days=1)
    keys = [readings.key_of(number) for number in range(CHECKS)]
    return {number: list(history(database, key, since, ENDS_AT)) for number, key in enumerate(keys)}  # type: ignore[misc]


def overwrite(path: Path, *pages: int) -> None:
    with path.open("r+b") as file:
        for page in pages:
            file.seek((page - 1) * 4096)
            file.write(b"\xff" * 4096)


def pages_of(path: Path, table: str, *, kind: str) -> list[int]:
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    sql = "SELECT pageno FROM dbstat WHERE name = ? AND pagetype = ? ORDER BY path"
    found = [row[0] for row in connection.execute(sql, (table, kind))]
    connection.close()
    return found


def test_readings_outlive_damage_elsewhere(path: Path) -> None:
    with open_database(path) as database:
        before = spans_of(database)
    overwrite(path, *pages_of(path, "runs", kind="leaf"))
    fresh, done = repair.repair(path, datetime.now(UTC), "test")
    with fresh:
        assert done is not None
        assert spans_of(fresh) == before
        assert dropped_so_far(fresh) is None
        # The next run goes on where the last one ended.
        readings.write(fresh, CHECKS, range(24 * DAYS, 24 * DAYS + 2), CHECKS)
        since, until = ENDS_AT - timedelta(hours=3), ENDS_AT + timedelta(hours=2)
        spans = history(fresh, readings.key_of(3), since, until)
        assert len(spans) == 5
        assert not any(span.gap for span in spans)


def test_a_hole_in_the_readings_costs_what_lies_in_it_and_that_is_said(path: Path) -> None:
    with open_database(path) as database:
        before = spans_of(database)
    leaves = pages_of(path, "readings", kind="leaf")
    overwrite(path, leaves[len(leaves) // 2])
    fresh, done = repair.repair(path, datetime.now(UTC), "test")
    with fresh:
        assert done is not None
        after = spans_of(fresh)
        kept = sum(map(len, after.values()))
        assert sum(map(len, before.values())) - 100 < kept < sum(map(len, before.values()))
        for number, spans in after.items():
            assert set(map(repr, spans)) <= set(map(repr, before[number]))
        lost_ones = dropped_so_far(fresh)
        assert lost_ones is not None
        assert "1 day of readings could not be read whole" in lost_ones.why
        said = fresh.rows("SELECT message FROM alert_events WHERE title LIKE '%damaged%'")
        assert "Readings of checks follow as far as they can be read" in said[0][0]


@pytest.mark.parametrize("which", [0, -1], ids=["the oldest", "the newest"])
def test_a_hole_at_either_end_costs_no_more(path: Path, which: int) -> None:
    with open_database(path) as database:
        before = sum(map(len, spans_of(database).values()))
    overwrite(path, pages_of(path, "readings", kind="leaf")[which])
    fresh, done = repair.repair(path, ENDS_AT, "test")
    with fresh:
        assert done is not None
        assert before - 100 < sum(map(len, spans_of(fresh).values())) < before
        assert dropped_so_far(fresh) is not None


@pytest.mark.parametrize("table", ["reading_series", "reading_limits", "open_readings", "readings"])
def test_a_table_that_cannot_be_read_at_all_keeps_no_repair_from_ending(path: Path, table: str) -> None:
    with open_database(path) as database, database.write() as tx:
        alerts.insert(tx, NewAlert("aave", "HIGH", "must arrive"), ["telegram"], datetime.now(UTC))
    with open_database(path) as database:
        database.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    overwrite(path, *pages_of(path, table, kind="internal"), *pages_of(path, table, kind="leaf"))
    fresh, done = repair.repair(path, datetime.now(UTC), "test")
    with fresh:
        assert done is not None
        assert done.salvaged.alerts == 1
        assert dropped_so_far(fresh) is not None
        assert not repair.is_damaged(path)
        values = [span.last for spans in spans_of(fresh).values() for span in spans]
        if table == "reading_limits":
            assert len(values) > CHECKS * 24 * DAYS * 0.9, "values without limits are values"
        elif table == "readings":
            assert len(values) == CHECKS
        readings.write(fresh, CHECKS, range(24 * DAYS, 24 * DAYS + 1), CHECKS)


def test_a_deleted_database_that_is_still_open_gives_its_readings_once(path: Path) -> None:
    opened = open_database(path), open_database(path)
    before = spans_of(opened[0])
    for name in ("monitoring.db", "monitoring.db-wal", "monitoring.db-shm"):
        (path.parent / name).unlink(missing_ok=True)
    fresh = lost.reopen(opened[0], SystemClock())
    readings.write(fresh, CHECKS, range(24 * DAYS, 24 * DAYS + 1), CHECKS)
    fresh.close()
    with lost.reopen(opened[1], SystemClock()) as again:
        assert {number: spans[: len(before[number])] for number, spans in spans_of(again).items()} == before
        assert dropped_so_far(again) is None


def test_what_was_read_of_a_series_that_goes_on_here_already_has_ended(path: Path, tmp_path: Path) -> None:
    other = tmp_path / "other" / "monitoring.db"
    readings.build(other, CHECKS, 1, CHECKS, ENDS_AT + timedelta(hours=1))
    with open_database(path) as source, open_database(other) as target:
        salvage_readings.salvage_readings(source.connection, target, datetime.now(UTC))
        salvage_readings.salvage_readings(source.connection, target, datetime.now(UTC))
        ((series,),) = target.rows("SELECT id FROM reading_series WHERE subject = 'row 3'")
        found = list(stretches(target.connection, series, readings.BEGINS_AT, ENDS_AT + timedelta(days=1)))
        assert [one.first_at for one in found] == [
            *(readings.BEGINS_AT + timedelta(hours=hour) for hour in range(24 * DAYS)), ENDS_AT + timedelta(hours=1),
        ]  # fmt: skip


def test_a_day_of_a_clock_that_was_years_ahead_hides_no_other_day(path: Path) -> None:
    with open_database(path) as database:
        before = spans_of(database)
        with database.write() as tx:
            tx.execute(
                "INSERT INTO readings SELECT day + 3650, series, last_s, lasted_s, runs, value, reference, state, "
                "severity, limits, last_block, blocks, gap, inputs FROM readings WHERE last_s = 3600"
            )
        database.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    overwrite(path, *pages_of(path, "runs", kind="leaf"))
    fresh, done = repair.repair(path, ENDS_AT, "test")
    with fresh:
        assert done is not None
        assert spans_of(fresh) == before


def test_a_full_disk_drops_readings_and_never_the_repair(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(salvage_readings, "no_room", lambda _: "the disk has 3 MiB left")
    overwrite(path, *pages_of(path, "runs", kind="leaf"))
    fresh, done = repair.repair(path, datetime.now(UTC), "test")
    with fresh:
        assert done is not None
        found = dropped_so_far(fresh)
        assert found is not None
        assert "the disk has 3 MiB left" in found.why


# -- every table ------------------------------------------------------------------------------------------------------


@pytest.fixture
def everything(path: Path) -> Path:
    with open_database(path) as database, database.write() as tx:
        alerts.insert(tx, NewAlert("aave", "HIGH", "arrived"), ["telegram"], datetime.now(UTC))
        tx.execute("UPDATE deliveries SET status = 'delivered'")
        tx.execute(
            "INSERT INTO runs (profile, trigger, status, started_at) VALUES ('hourly', 'cron', 'ok', ?)", (LONG_AGO,)
        )
    fill_empty(path)
    assert all(rows_of(path, added_tables()).values())
    return path


def test_a_repair_carries_each_table_that_an_addition_made_or_it_is_known_why_not(everything: Path) -> None:
    ours = rows_of(everything, added_tables())
    overwrite(everything, *pages_of(everything, "monitor_state", kind="leaf"))
    fresh, done = repair.repair(everything, datetime.now(UTC), "test")
    fresh.close()
    assert done is not None
    here = rows_of(everything, added_tables())
    assert {name for name in ours if not here[name]} == set(LEFT_BEHIND)
    assert {name for name in ours if here[name] and len(here[name]) != len(ours[name])} == set()


def test_a_backup_holds_each_table_that_an_addition_made(everything: Path, tmp_path: Path) -> None:
    made = back_up(everything, tmp_path / "backups", datetime.now(UTC))
    assert rows_of(made.backup.path, added_tables()) == rows_of(everything, added_tables())


def test_a_restore_takes_what_people_and_the_chat_did_since_and_the_rest_is_the_backups(
    everything: Path, built: Path, tmp_path: Path
) -> None:
    """The backup has no row of theirs, and its own readings. Pauses and silences come along while they hold."""
    of_readings = {"reading_series", "reading_limits", "open_readings", "readings"}
    with staged(built, everything) as ready:
        put_in_place(ready, built, everything, SystemClock(), by="ana", is_alive=lambda _: False)
    here = rows_of(everything, added_tables())
    taken = {name for name in here if here[name]} - of_readings
    assert taken == {"closed_days", "closed_rows", "handled_updates", "people_drills"}
    assert {name: here[name] for name in of_readings} == rows_of(built, list(of_readings))
