"""The store on a real file, with real processes beside each other."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import apsw
import pytest

from monitoring.base.clock import SystemClock, from_text, to_text
from monitoring.base.errors import StoreBusyError, StoreError
from monitoring.conditions.condition import Condition, ConditionKey, NoData
from monitoring.store.db.compatibility import VERSION
from monitoring.store.db.database import Database, StoreReplacedError
from monitoring.store.db.schema import create_or_migrate, open_database, open_readonly
from monitoring.store.db.write_lock import FairLock
from monitoring.store.maintenance import repair
from monitoring.store.maintenance.salvage import Salvaged
from monitoring.store.tables import alerts, chain_memory, conditions, runs, schedules, state
from monitoring.store.tables.schedules import Schedule
from tests.support import old_database
from tests.support.parts import require

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "monitoring.db"


@pytest.fixture
def database(path: Path) -> Iterator[Database]:
    path.parent.mkdir()
    with open_database(path) as opened:
        yield opened


def an_alert(**changes: object) -> alerts.NewAlert:
    return alerts.NewAlert(**{"protocol": "aave", "severity": "HIGH", "message": "utilisation 99 %", **changes})


def python(code: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_an_alert_and_the_state_that_belongs_to_it_commit_together_or_not_at_all(database: Database) -> None:
    with pytest.raises(RuntimeError), database.write() as tx:
        alerts.insert(tx, an_alert(), ["telegram"], NOW)
        state.put(tx, "monitor:aave", "cursor", "5", NOW)
        raise RuntimeError
    assert database.rows("SELECT * FROM alert_events") == []
    assert state.get(database, "monitor:aave", "cursor") is None


def test_sort_time_never_falls_with_the_id_when_the_clock_steps_back(database: Database) -> None:
    with database.write() as tx:
        alerts.insert(tx, an_alert(), ["telegram"], NOW)
        alerts.insert(tx, an_alert(), ["telegram"], NOW - timedelta(minutes=5))
    rows = database.rows("SELECT created_at, sort_at FROM alert_events ORDER BY id")
    assert rows == [(to_text(NOW), to_text(NOW)), (to_text(NOW - timedelta(minutes=5)), to_text(NOW))]


_A_CONDITION = (
    "INSERT INTO conditions (monitor, check_name, state, fired_at, updated_at) "
    "VALUES ('aave', 'utilisation', 'firing', '2026-11-23T09:00:00.000000Z', '2026-11-23T09:00:00.000000Z')"
)
RACE = """
import sys, time
from pathlib import Path
from datetime import datetime, UTC
from monitoring.store.tables import alerts
from monitoring.store.db.schema import open_database
while time.time() < float(sys.argv[2]): pass
with open_database(Path(sys.argv[1])) as db:
    with db.write() as tx:
        alert = alerts.NewAlert(protocol='p', severity='LOW', message=sys.argv[3])
        alerts.insert(tx, alert, ['telegram'], datetime.now(UTC))
"""


def test_eight_processes_meeting_no_database_all_store_their_alert(path: Path) -> None:
    path.parent.mkdir()
    start = time.time() + 1.0
    racers = [python(RACE, path, start, number) for number in range(8)]
    for racer in racers:
        output, _ = racer.communicate(timeout=60)
        assert racer.returncode == 0, output
    with open_readonly(path) as database:
        assert sorted(row[0] for row in database.rows("SELECT message FROM alert_events")) == [str(n) for n in range(8)]


WRITER = """
import sys, time
from pathlib import Path
from datetime import datetime, UTC
from monitoring.store.tables import state
from monitoring.store.db.schema import open_database
db = open_database(Path(sys.argv[1]))
end, count = time.monotonic() + 2.0, 0
while time.monotonic() < end:
    with db.write() as tx:
        state.put(tx, 'n', sys.argv[2], str(count), datetime.now(UTC))
    count += 1
print(count)
"""


def test_of_eight_writers_none_is_starved_and_none_meets_a_locked_database(database: Database, path: Path) -> None:
    writers = [python(WRITER, path, number) for number in range(8)]
    counts = []
    for writer in writers:
        output, _ = writer.communicate(timeout=60)
        assert writer.returncode == 0, output
        counts.append(int(output))
    assert min(counts) * 20 > max(counts), counts


def test_a_writer_that_cannot_get_its_turn_gives_up_in_time_and_says_so(path: Path) -> None:
    path.parent.mkdir()
    open_database(path).close()
    held, release = threading.Event(), threading.Event()

    def hold() -> None:
        with FairLock(path.parent / "locks" / "write.lock").hold(5):
            held.set()
            release.wait(30)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(10)
    with Database(path, busy_timeout_s=0.3) as database, pytest.raises(StoreBusyError), database.write():
        pass
    release.set()
    holder.join()
    with Database(path, busy_timeout_s=5) as database, database.write() as tx:
        state.put(tx, "n", "k", "v", NOW)


@pytest.mark.parametrize("shuffled", [False, True])
def test_the_old_systems_database_opens_with_every_row(path: Path, *, shuffled: bool) -> None:
    path.parent.mkdir()
    old_database.build(path, shuffled=shuffled)
    with open_database(path) as database:
        assert database.row("SELECT count(*), min(id), max(id) FROM alert_events") == (10_000, 1, 10_000)
        assert database.row("SELECT message, metadata_json FROM alert_events WHERE id = 2") == (
            "old alert 1 ⚠️",
            '{"old": true}',
        )
        instants = [row[0] for row in database.rows("SELECT created_at FROM alert_events")]
        assert {len(text) for text in instants} == {27}
        sort_keys = [row[0] for row in database.rows("SELECT sort_at FROM alert_events ORDER BY id")]
        assert sort_keys == sorted(sort_keys)
        assert state.get(database, "nonces.txt", "0xSafe") == ("41", from_text("2026-08-01T10:00:00Z"))
        assert database.rows("SELECT * FROM deliveries") == [], "nothing old is sent again"
        with database.write() as tx:
            assert alerts.insert(tx, an_alert(), ["telegram"], NOW) == 10_001


def test_a_column_we_do_not_know_is_not_lost_at_adoption(path: Path) -> None:
    path.parent.mkdir()
    old_database.build(path, rows=10, extra_column=True)
    with open_database(path) as database:
        assert database.row("SELECT count(*) FROM alert_events") == (10,)
        assert database.row("SELECT count(notes), count(*) FROM alert_events_adopted") == (0, 10)


@pytest.mark.parametrize("version", range(VERSION))
def test_every_earlier_version_migrates_and_keeps_its_rows(path: Path, version: int) -> None:
    path.parent.mkdir()
    with create_or_migrate(path, until=version) as database:
        if version:
            with database.write() as tx:
                alerts.insert(tx, an_alert(), ["telegram"], NOW)
                if version > 1:
                    tx.execute(_A_CONDITION)
    with open_database(path) as database:
        assert database.row("PRAGMA user_version") == (VERSION,)
        assert database.row("SELECT count(*) FROM alert_events") == (1 if version else 0,)
        firing = conditions.firing(database.connection)
        assert [(str(row.key), row.about, row.no_data, row.declared) for row in firing] == (
            [("aave: utilisation", "", None, False)] if version > 1 else []
        )
        with database.write() as tx:
            conditions.put(tx, Condition(ConditionKey("cap", "backing", 1), no_data=NoData(NOW)), NOW)
            chain_memory.advance(tx, "judged", "1", 5, NOW, NOW - timedelta(days=1))
            chain_memory.advance(tx, "judged", "1", 4, NOW, NOW - timedelta(days=1))
        assert [row.key.monitor for row in conditions.without_data(database.connection)] == ["cap"]
        assert chain_memory.get(database, "judged", "1") == ("5", NOW)


def test_a_database_that_this_release_is_too_old_for_is_refused_and_left_alone(database: Database, path: Path) -> None:
    database.connection.execute("PRAGMA user_version=99; PRAGMA application_id=98")
    with pytest.raises(StoreError, match="only a release that knows version 98 may use"):
        open_database(path)
    assert database.row("PRAGMA user_version") == (99,)


def test_a_file_that_is_no_database_is_set_aside_with_its_sidecars(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("this is not a database\n" * 400)
    path.with_name(path.name + "-wal").write_text("x")
    database, done = repair.open_or_repair(path, SystemClock())
    assert done is not None
    assert done.set_aside.read_text().startswith("this is not a database")
    assert done.set_aside.with_name(done.set_aside.name + "-wal").exists()
    assert database.row("SELECT count(*), sum(instr(message, ?) > 0) FROM alert_events", (done.set_aside.name,)) == (
        1,
        1,
    )
    database.close()


def test_undelivered_alerts_and_the_schedule_survive_a_damaged_database(path: Path) -> None:
    path.parent.mkdir()
    with open_database(path) as database, database.write() as tx:
        alerts.insert(tx, an_alert(message="must arrive"), ["telegram"], NOW)
        tx.execute(
            "INSERT INTO alert_events (created_at, source, protocol, message, sort_at) VALUES ('', '', '', 'old', '')"
        )
        schedules.record_in_force(tx, [Schedule("hourly", "5 * * * *")], NOW, "test")
    _damage(path, "runs")
    with Database(path) as damaged:
        pass
    fresh, done = repair.repair(path, NOW, "test")
    with fresh:
        assert done is not None
        assert done.salvaged == Salvaged(1)
        waiting = fresh.rows("SELECT a.id, a.message FROM alert_events a JOIN deliveries d ON d.alert_id = a.id")
        assert waiting[0] == (1, "must arrive")
        assert waiting[1][0] == 3, "ids go on where the damaged file ended"
        assert done.set_aside.name in waiting[1][1], "an alert says so"
        assert [found.schedule.profile for found in schedules.in_force(fresh)] == ["hourly"]
        assert not repair.is_damaged(path)
    damaged.close()


def _damage(path: Path, table: str) -> None:
    """Overwrite the first page of a table; the WAL is folded in first so that it cannot heal the page."""
    connection = apsw.Connection(str(path))
    root, size = connection.execute(
        "SELECT rootpage, (SELECT page_size FROM pragma_page_size) FROM sqlite_master WHERE name = ?", (table,)
    ).fetchone()
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    with path.open("r+b") as file:
        file.seek((root - 1) * size)
        file.write(b"\xff" * size)


def test_a_writer_whose_file_was_set_aside_does_not_write_into_the_old_one(database: Database, path: Path) -> None:
    path.rename(path.with_name("aside"))
    with pytest.raises(StoreReplacedError), database.write():
        pass
    assert not database.is_current()


def test_a_reader_without_write_permission_opens_it_while_nobody_writes(path: Path) -> None:
    path.parent.mkdir()
    with open_database(path) as database, database.write() as tx:
        alerts.insert(tx, an_alert(), ["telegram"], NOW)
    assert path.with_name(path.name + "-wal").exists(), "a reader in a sandbox cannot make it"
    with open_readonly(path) as reader:
        assert reader.row("SELECT count(*) FROM alert_events") == (1,)
        with pytest.raises(StoreError), reader.write() as tx:
            state.put(tx, "n", "k", "v", NOW)


def test_the_runbooks_query_works_in_the_shell_while_a_run_writes(database: Database, path: Path) -> None:
    require("sqlite3")
    with database.write() as tx:
        state.put(tx, "cache-id.txt", "aave", "7", NOW)
    with database.write() as tx:
        state.put(tx, "cache-id.txt", "aave", "8", NOW)
        shell = subprocess.run(
            ["sqlite3", str(path), "select namespace, key, value from monitor_state order by namespace, key limit 20;"],
            capture_output=True,
            text=True,
            check=True,
            timeout=30,
        )
    assert shell.stdout == "cache-id.txt|aave|7\n"


def test_a_directory_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        blocked = tmp_path / "file"
        blocked.write_text("")
        target = blocked / "monitoring.db"
    else:
        (tmp_path / "ro").mkdir(mode=0o500)
        target = tmp_path / "ro" / "monitoring.db"
    with pytest.raises(StoreError, match="cannot be"):
        open_database(target)


def test_a_tick_written_off_as_missed_that_runs_after_all_takes_its_row_back(database: Database) -> None:
    with database.write() as tx:
        assert runs.insert_unserved(tx, "hourly", NOW, "missed", reason="?", held_by=None)
        assert not runs.insert_unserved(tx, "hourly", NOW, "missed", reason="?", held_by=None)
        run_id = _begin(tx, NOW)
        assert run_id != _begin(tx, NOW), "the tick has its run: a second one is recorded without it"
    found = runs.get(database, run_id)
    assert found is not None
    assert (found.status, found.tick_at) == ("running", NOW)
    assert database.row("SELECT count(*) FROM runs WHERE tick_at IS NOT NULL") == (1,)


def _begin(tx: apsw.Connection, tick: datetime) -> int:
    return runs.begin(tx, "hourly", tick_at=tick, trigger="cron", now=NOW, process="p", revision="r", tasks_total=1)


def test_a_running_row_whose_process_is_gone_is_closed_as_aborted(database: Database) -> None:
    with database.write() as tx:
        run_id = _begin(tx, NOW)
        runs.begin_task(tx, run_id, "aave", NOW)
        assert runs.close_abandoned(tx, lambda _process: True, NOW) == []
        assert runs.close_abandoned(tx, lambda _process: False, NOW) == [run_id]
        assert not runs.finish(tx, run_id, "ok", exit_code=0, reason="", now=NOW), "it is closed for good"
    found = runs.get(database, run_id)
    assert found is not None
    assert found.status == "aborted"
    assert [task.status for task in runs.tasks(database, run_id)] == ["aborted"]


def test_the_schedule_history_keeps_what_was_in_force_when(database: Database) -> None:
    hourly, faster = Schedule("hourly", "5 * * * *"), Schedule("hourly", "*/30 * * * *")
    later = NOW + timedelta(hours=1)
    with database.write() as tx:
        assert schedules.record_in_force(tx, [hourly], NOW, "unit") == ["hourly"]
        assert schedules.record_in_force(tx, [hourly], NOW, "unit") == []
        assert schedules.record_in_force(tx, [faster], later, "unit") == ["hourly"]
        assert schedules.record_in_force(tx, [], later + timedelta(hours=1), "unit") == ["hourly"]
    spans = [
        (found.schedule.cron, found.effective_from, found.effective_until)
        for found in schedules.history(database, NOW, later + timedelta(days=1))
    ]
    assert spans == [("5 * * * *", NOW, later), ("*/30 * * * *", later, later + timedelta(hours=1))]
    assert schedules.in_force(database) == []
