"""B.10: what a run and `prune` cost when 100,000 conditions are known.

Input: 100,000 declared conditions, all watched: each scheduled run read them all first (2.4 s of CPU). Then their file
leaves jobs.yaml: all were ended in one transaction. `prune` of many alerts read the conditions again for each batch.
Right: a run with nothing to end asks per monitor, ending lets other writers in between and goes on after a kill, and
`prune` reads what keeps alerts once.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import apsw
import pytest

from monitoring.alerts.recording import close_orphaned
from monitoring.alerts.recording.close_orphaned import end_unwatched
from monitoring.alerts.recording.store_alert import NOBODY
from monitoring.conditions.condition import Condition, ConditionKey, State
from monitoring.conditions.severity import Severity
from monitoring.store.db.database import Database
from monitoring.store.db.schema import open_database
from monitoring.store.maintenance.prune import prune
from monitoring.store.tables import alerts, conditions

pytestmark = pytest.mark.case("B.10")

NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)
BEFORE = NOW - timedelta(hours=2)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with open_database(tmp_path / "monitoring.db") as opened:
        yield opened


def declare(database: Database, count: int) -> None:
    with database.write() as tx:
        conditions.put(tx, Condition(ConditionKey("many", "0"), declared=True), BEFORE)
        tx.execute(
            "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < ?) "
            "INSERT INTO conditions (monitor, check_name, declared, updated_at, data_json) "
            "SELECT 'many', CAST(i AS TEXT), 1, '', '{}' FROM n",
            (count - 1,),
        )


def test_a_run_with_nothing_to_end_does_not_read_the_conditions(database: Database) -> None:
    declare(database, 100_000)
    began = time.process_time()
    assert end_unwatched(database, {"many"}, {"many"}, NOW, NOBODY) == []
    assert time.process_time() - began < 0.2


def test_ending_many_conditions_lets_other_writers_in_between(database: Database, tmp_path: Path) -> None:
    declare(database, 1_000)
    commits = 0

    def on_commit() -> bool:
        nonlocal commits
        commits += 1
        return False

    database.connection.set_commit_hook(on_commit)
    assert end_unwatched(database, set(), set(), NOW, NOBODY) == ["many"]
    assert commits == 1_000 // close_orphaned._BATCH
    assert database.row("SELECT count(*) FROM conditions WHERE declared = 1") == (0,)


def test_a_kill_in_between_is_made_good_by_the_next_run(database: Database) -> None:
    """The crash of the monitor and the source that blinded it end too, whenever the first run stopped."""
    declare(database, 500)
    with database.write() as tx:
        tx.execute("UPDATE conditions SET blind_since = '2026-11-24T08:00:00.000000Z', blind_by = 'mainnet'")
        for key in (ConditionKey("sources", "mainnet"), ConditionKey("many", close_orphaned.CRASH)):
            conditions.put(
                tx, Condition(key, State.FIRING, Severity.HIGH, Severity.HIGH, "told", fired_at=BEFORE), BEFORE
            )
    left = [1]

    def stop_after_one() -> bool:
        left[0] -= 1
        return left[0] < 0

    database.connection.set_commit_hook(stop_after_one)
    with pytest.raises(Exception, match=r"monitoring\.db"):
        end_unwatched(database, set(), set(), NOW, NOBODY)
    database.connection.set_commit_hook(None)
    assert database.row("SELECT count(*) FROM conditions WHERE declared = 1") == (300 + 1,)
    end_unwatched(database, set(), set(), NOW, NOBODY)
    assert conditions.firing(database.connection) == []
    assert conditions.without_data(database.connection) == []


def test_prune_reads_once_what_keeps_alerts_and_keeps_it(database: Database) -> None:
    old = NOW - timedelta(days=200)
    with database.write() as tx:
        ids = [
            alerts.insert(tx, alerts.NewAlert("aave", "LOW", str(number)), [], old, status="not_attempted")
            for number in range(1_700)
        ]
        told = Condition(ConditionKey("aave", "fires"), State.FIRING, alert_id=ids[3], fired_at=old)
        conditions.put(tx, told, old)
    asked: list[str] = []

    def trace(_: apsw.Cursor, sql: str, __: object) -> bool:
        asked.append(sql)
        return True

    database.connection.exec_trace = trace
    done = prune(database, NOW)
    database.connection.exec_trace = None
    assert done.rows["alert"] == len(ids) - 1
    assert database.rows("SELECT id FROM alert_events") == [(ids[3],)]
    assert sum("alert_id FROM conditions" in sql for sql in asked) == 1
    assert sum("DELETE FROM alert_events" in sql for sql in asked) == 4
