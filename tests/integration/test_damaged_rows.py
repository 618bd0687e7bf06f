"""A row that damage made unfit for its table is left out when a database is repaired, and costs no other row."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import apsw
import pytest

from benchmarks.worlds import readings
from monitoring.alerts.recording.store_alert import store_in
from monitoring.base.clock import to_text
from monitoring.store.db.database import Database
from monitoring.store.db.schema import open_database
from monitoring.store.maintenance.salvage import salvage
from monitoring.store.maintenance.salvage_readings import salvage_readings
from monitoring.store.readings.dropping import dropped_so_far
from monitoring.store.tables import silences
from tests.support.outbox import alert

NOW = datetime.now(UTC)
_ANYTHING_FITS = "UPDATE sqlite_master SET sql = replace(sql, 'NOT NULL', '') WHERE type = 'table'"


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return tmp_path / "old.db"


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Database]:
    with open_database(tmp_path / "monitoring.db") as opened:
        yield opened


def damaged(path: Path, *statements: str) -> apsw.Connection:
    """Return a connection to the file after statements that its tables would refuse."""
    connection = apsw.Connection(str(path))
    connection.execute("PRAGMA writable_schema = ON")
    connection.execute(_ANYTHING_FITS)
    connection.execute("PRAGMA writable_schema = RESET")
    for statement in statements:
        connection.execute(statement)
    return connection


def test_an_alert_and_a_silence_without_what_each_has_cost_no_other_alert(old: Path, fresh: Database) -> None:
    with open_database(old) as database, database.write() as tx:
        for number in range(3):
            store_in(tx, alert(f"the vault {number} is empty"), now=NOW)
        silences.add(tx, "aave", None, now=NOW, ends_at=NOW + timedelta(hours=1), reason="x", created_by="ana")
    source = damaged(old, "UPDATE alert_events SET protocol = NULL WHERE id = 2", "UPDATE silences SET protocol = NULL")
    with fresh.write() as tx:
        found = salvage(source, tx, NOW)
    assert (found.alerts, found.is_complete) == (2, False)
    assert fresh.rows("SELECT id FROM alert_events ORDER BY id") == [(1,), (3,)]
    assert fresh.rows("SELECT DISTINCT alert_id FROM deliveries ORDER BY alert_id") == [(1,), (3,)]
    assert fresh.rows("SELECT id FROM silences") == []


def test_an_alert_with_a_damaged_time_moves_no_later_one_behind_it(old: Path, fresh: Database) -> None:
    with open_database(old) as database, database.write() as tx:
        store_in(tx, alert("the vault is empty"), now=NOW)
    source = damaged(old, "UPDATE alert_events SET sort_at = 'zz'")
    with fresh.write() as tx:
        assert salvage(source, tx, NOW).alerts == 1
        store_in(tx, alert("the pool is empty"), now=NOW)
    assert fresh.rows("SELECT sort_at FROM alert_events ORDER BY id DESC LIMIT 1") == [(to_text(NOW),)]


def test_readings_of_a_check_without_a_name_cost_those_of_no_other(old: Path, fresh: Database) -> None:
    readings.build(old, 3, 2, 3)
    source = damaged(old, "UPDATE reading_series SET check_name = NULL WHERE id = 2")
    salvage_readings(source, fresh, readings.BEGINS_AT)
    assert len(fresh.rows("SELECT id FROM reading_series")) == 2
    assert len(fresh.rows("SELECT series FROM open_readings")) == 2
    lost = dropped_so_far(fresh)
    assert lost is not None
    assert lost.count > 0
