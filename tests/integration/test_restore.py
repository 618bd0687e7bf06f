"""Restoring a real database: all or nothing, nothing untold lost, nothing told twice that need not be."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import apsw
import pytest

from automation.jobs.load import load_profile
from automation.schedule.catch_up import CatchUpReason, look
from monitoring.alerts.recording.store_alert import raise_in
from monitoring.base.clock import SystemClock
from monitoring.base.errors import LockedError, UsageError
from monitoring.base.locks.maintenance_lock import no_runs
from monitoring.base.locks.profile_lock import TreeLock
from monitoring.base.process_identity import current_boot
from monitoring.ledger.outcomes import gather
from monitoring.ledger.reconcile import reconcile
from monitoring.store.db.compatibility import VERSION
from monitoring.store.db.database import Tx
from monitoring.store.db.schema import create_or_migrate, open_database, open_readonly
from monitoring.store.maintenance.backups import back_up
from monitoring.store.maintenance.copying import opened
from monitoring.store.maintenance.restore import Restored, put_in_place, staged
from monitoring.store.people import handled_updates, pauses
from monitoring.store.people.handled_updates import HandledUpdate
from monitoring.store.people.pauses import PauseKind
from monitoring.store.tables import alerts, chain_memory, deliveries, no_data_periods, runs, schedules, silences, state
from monitoring.store.tables.schedules import Schedule
from tests.support import old_database
from tests.support.child import hear, running_child
from tests.support.damage import damage
from tests.support.fake_telegram import TelegramStandIn
from tests.support.filled import fill
from tests.support.kill_upkeep import Deed, killing
from tests.support.newer_database import make_newer
from tests.support.outbox import Outbox, alert
from tests.support.somebody import NOBODY, told_as_somebody

NOW = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("filled") / "monitoring.db"
    with fill(path, NOW - timedelta(hours=3), healthy=True) as database:
        database.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path


@pytest.fixture
def path(filled: Path, tmp_path: Path) -> Path:
    path = tmp_path / "cache" / "monitoring.db"
    path.parent.mkdir()
    shutil.copy(filled, path)
    return path


@pytest.fixture
def backup(path: Path) -> Path:
    """A backup of what lies at `path`; state afterwards differs from it by `marker`."""
    with open_database(path) as database, database.write() as tx:
        state.put(tx, "test", "marker", "in the backup", NOW)
    made = back_up(path, path.parent / "backups", NOW - timedelta(hours=3)).backup.path
    with open_database(path) as database, database.write() as tx:
        state.put(tx, "test", "marker", "after the backup", NOW)
    return made


def restore(backup: Path, path: Path) -> Restored:
    with staged(backup, path) as ready, no_runs(path.parent / "locks", 1):
        return put_in_place(ready, backup, path, SystemClock(), by="ana", is_alive=lambda _: False)


def marker(path: Path) -> str | None:
    with opened(path) as connection:
        row = connection.execute("SELECT value FROM monitor_state WHERE namespace = 'test'").fetchone()
        return str(row[0]) if row else None


def waiting_messages(path: Path) -> list[str]:
    with open_readonly(path) as database:
        return [
            row[0]
            for row in database.rows(
                "SELECT a.message FROM deliveries d JOIN alert_events a ON a.id = d.alert_id "
                "WHERE d.status IN ('pending', 'skipped_missing_credentials') AND a.source <> 'ops_error' ORDER BY a.id"
            )
        ]


def insert(path: Path, message: str, now: datetime = NOW) -> int:
    with open_database(path) as database, database.write() as tx:
        return alerts.insert(tx, alerts.NewAlert("aave", "HIGH", message), ["telegram"], now)


def finish(path: Path, alert_id: int) -> None:
    with open_database(path) as database, database.write() as tx:
        for delivery_id in deliveries.open_of_alert(tx, alert_id):
            deliveries.refresh_alerts(tx, deliveries.finish(tx, delivery_id, "delivered", NOW))


def test_the_database_becomes_the_backup_and_the_old_one_lies_beside_it(path: Path, backup: Path) -> None:
    done = restore(backup, path)
    assert marker(path) == "in the backup"
    assert marker(done.set_aside) == "after the backup"
    assert done.set_aside.name.startswith("monitoring.db.replaced-20")
    assert done.set_aside.stat().st_mode & 0o077 == 0
    assert not (path.parent / "restoring").exists()
    with open_readonly(path) as database:
        [(count,)] = database.rows(
            "SELECT count(*) FROM alert_events WHERE title = 'The database was restored from a backup'"
        )
    assert count == 1


def test_a_restore_is_undone_by_restoring_what_was_set_aside(path: Path, backup: Path) -> None:
    done = restore(backup, path)
    restore(done.set_aside, path)
    assert marker(path) == "after the backup"


def test_what_still_waits_in_the_replaced_database_is_carried_over_under_its_id(path: Path, backup: Path) -> None:
    alert_id = insert(path, "never delivered")
    done = restore(backup, path)
    assert done.carried.undelivered == 1
    assert waiting_messages(path) == ["never delivered"]
    with open_readonly(path) as database:
        assert database.rows("SELECT id FROM alert_events WHERE message = 'never delivered'") == [(alert_id,)]
        [(newest,)] = database.rows("SELECT max(id) FROM alert_events")
    assert newest > alert_id


def test_what_the_backup_would_send_and_was_sent_since_is_not_sent_again(path: Path) -> None:
    alert_id = insert(path, "delivered after the backup")
    backup = back_up(path, path.parent / "backups", NOW).backup.path
    finish(path, alert_id)
    done = restore(backup, path)
    assert (done.carried.delivered_since, done.carried.undelivered) == (1, 0)
    assert waiting_messages(path) == []
    with open_readonly(path) as database:
        assert database.rows("SELECT delivery_status FROM alert_events WHERE id = ?", (alert_id,)) == [("delivered",)]


def test_an_alert_of_another_database_with_the_same_id_is_another_alert(
    path: Path, backup: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other" / "monitoring.db"
    other.parent.mkdir()
    insert(other, "first of a fresh host")
    done = restore(backup, other)
    assert done.carried.undelivered == 1
    assert waiting_messages(other) == ["first of a fresh host"]
    with open_readonly(other) as database:
        rows = database.rows("SELECT id, sort_at FROM alert_events ORDER BY id")
        assert database.rows("PRAGMA foreign_key_check") == []
    assert [row[1] for row in rows] == sorted(row[1] for row in rows)


def test_a_fresh_host_goes_on_where_the_backup_was_and_tells_nothing_again(tmp_path: Path) -> None:
    """A second host from a backup: what fires is known, what was delivered stays delivered."""
    with TelegramStandIn() as telegram:
        first = Outbox(_made(tmp_path / "first"), telegram.url)
        with first.database.write() as tx:
            raise_in(tx, alert("backing below 100 %", key="backing"), now=NOW)
        assert first.drain().delivered == 1
        made = back_up(first.path, tmp_path / "backups", NOW).backup.path
        first.close()
        second = Outbox(_made(tmp_path / "second"), telegram.url)
        second.close()
        restore(made, second.path)
        second.database = open_database(second.path)
        with second.database.write() as tx:
            raise_in(tx, alert("backing below 100 %", key="backing"), now=NOW + timedelta(minutes=5))
        second.drain()
        second.close()
        titles = [message.text.splitlines()[0].partition(": ")[2] for message in telegram.messages]
    assert titles == ["backing below 100 %", "The database was restored from a backup"]


def _made(directory: Path) -> Path:
    directory.mkdir()
    return directory


def test_what_people_decided_since_the_backup_holds(path: Path, backup: Path) -> None:
    with open_database(path) as database, database.write() as tx:
        silences.end(tx, 1, NOW)
        silences.add(tx, "lido", None, now=NOW, ends_at=NOW + timedelta(hours=1), reason="new", created_by="bo")
        schedules.record_in_force(tx, [Schedule("hourly", "7 * * * *")], NOW, "test")
    restore(backup, path)
    with open_database(path) as database:
        assert [(each.protocol, each.ends_at > NOW) for each in silences.newest(database, 9)] == [
            ("lido", True), ("maple", False),
        ]  # fmt: skip
        assert [each.schedule.cron for each in schedules.in_force(database)] == ["7 * * * *"]


def test_what_was_resumed_since_the_backup_goes_on_and_what_was_paused_stays_so(path: Path, tmp_path: Path) -> None:
    def pause(tx: Tx, name: str) -> int:
        ends_at = NOW + timedelta(days=7)
        return pauses.add(tx, PauseKind.PROFILE, name, now=NOW, ends_at=ends_at, reason="x", created_by="bo").id

    with open_database(path) as database, database.write() as tx:
        resumed = pause(tx, "hourly")
    backup = back_up(path, tmp_path / "copy", NOW).backup.path
    with open_database(path) as database, database.write() as tx:
        pauses.end(tx, resumed, "bo", NOW + timedelta(hours=1))
        pause(tx, "daily")
    restore(backup, path)
    with open_database(path) as database, database.snapshot() as tx:
        assert [each.name for each in pauses.active(tx, NOW + timedelta(hours=2))] == ["daily"]


def test_a_tap_that_took_effect_since_the_backup_takes_none_again(path: Path, backup: Path) -> None:
    with open_database(path) as database, database.write() as tx:
        handled_updates.put(tx, HandledUpdate("123", 7, NOW, "tap", "done"))
    restore(backup, path)
    with open_database(path) as database:
        assert database.read(lambda tx: handled_updates.is_handled(tx, "123", 7, NOW))


def test_what_checks_remember_of_chains_and_when_they_were_blind_is_the_backups(path: Path, backup: Path) -> None:
    """Conditions and their cursors are the backup's: a later block beside them would be one that they never judged."""
    kept = ("SELECT kind, key, value FROM chain_memory", "SELECT source, since FROM blind_spells")
    with open_database(backup) as database:
        before = [database.rows(sql) for sql in kept]
    with open_database(path) as database, database.write() as tx:
        chain_memory.put(tx, "judged", "1", "999999999", NOW)
        no_data_periods.insert(tx, "since the backup", NOW, NOW, 3)
        last_id = tx.last_insert_rowid()
    restore(backup, path)
    with open_database(path) as database:
        assert [database.rows(sql) for sql in kept] == before
        with database.write() as tx:
            no_data_periods.insert(tx, "after the restore", NOW, NOW, 1)
            assert tx.last_insert_rowid() > last_id


def test_ticks_since_the_backup_are_unknown_and_nobody_calls_them_missed(path: Path, backup: Path) -> None:
    restore(backup, path)
    now = datetime.now(UTC)
    with open_database(path) as database:
        written = reconcile(database, now=now, boot=current_boot(), is_alive=lambda _: False).unanswered
        facts = gather(
            database, since=NOW - timedelta(hours=2), until=now, now=now, boot=current_boot(), profile="hourly"
        )
    assert written == []
    fates = {fate.status for fate in facts.ticks if fate.tick_at < NOW}
    assert fates == {"unknown"}
    assert {fate.reason.partition(" at ")[0] for fate in facts.ticks if fate.tick_at < NOW} == {"a backup was restored"}


def test_a_profile_that_makes_up_for_missed_ticks_does_so_after_a_restore(
    path: Path, backup: Path, tmp_path: Path
) -> None:
    """Nobody knows whether the newest tick was run elsewhere: once too often is better than once too little."""
    jobs = tmp_path / "jobs.yaml"
    jobs.write_text("profiles: {hourly: {cron: '5 * * * *', catch_up: latest, tasks: []}}\n")
    restore(backup, path)
    with open_database(path) as database:
        decision = look(database, load_profile(jobs, tmp_path, "hourly"), NOW.replace(minute=30, second=0))
    assert decision.reason is CatchUpReason.RUN


def test_a_run_that_the_backup_caught_going_ends_as_the_replaced_database_knows(path: Path) -> None:
    with open_database(path) as database, database.write() as tx:
        known, unknown = (
            runs.begin(
                tx, profile, tick_at=None, trigger="cron", now=NOW, process="1:1:gone", revision="", tasks_total=1
            )
            for profile in ("daily", "hourly")
        )
        runs.begin_task(tx, unknown, "backup", NOW)
    backup = back_up(path, path.parent / "backups", NOW).backup.path
    with open_database(path) as database, database.write() as tx:
        runs.finish(tx, known, "ok", exit_code=0, reason="", now=NOW)
    restore(backup, path)
    with open_readonly(path) as database:
        rows = database.rows("SELECT status, reason FROM runs WHERE id IN (?, ?) ORDER BY id", (known, unknown))
        assert database.rows("SELECT status FROM task_runs WHERE run_id = ?", (unknown,)) == [("aborted",)]
    assert rows == [
        ("ok", ""),
        ("aborted", "it was still going when the backup was made that this database was restored from"),
    ]


def test_a_reader_in_the_middle_goes_on_and_then_sees_the_restored_rows(path: Path, backup: Path) -> None:
    with open_readonly(path) as reader, reader.snapshot() as tx:
        before = tx.execute("SELECT value FROM monitor_state WHERE namespace = 'test'").fetchone()
        version = reader.data_version()
        restore(backup, path)
        during = tx.execute("SELECT value FROM monitor_state WHERE namespace = 'test'").fetchone()
        tx.execute("ROLLBACK")
        assert (before, during) == (("after the backup",), ("after the backup",))
        assert reader.is_current()
        assert reader.data_version() != version
        assert reader.rows("SELECT value FROM monitor_state WHERE namespace = 'test'") == [("in the backup",)]


WRITER = """
import sys
from datetime import datetime, UTC
from pathlib import Path
from monitoring.store.tables import alerts
from monitoring.store.db.schema import open_database
with open_database(Path(sys.argv[1])) as database:
    number = 0
    while True:
        number += 1
        with database.write() as tx:
            alerts.insert(tx, alerts.NewAlert("w", "LOW", f"number {number}"), ["telegram"], datetime.now(UTC))
        print(number, flush=True)
"""


def test_a_script_that_stores_alerts_all_the_while_loses_none(path: Path, backup: Path) -> None:
    """Scripts by hand take no lock of runs: what they store just before or after the moment of the restore counts."""
    with running_child(WRITER, path) as writer:
        hear(writer)
        restore(backup, path)
        last = max(int(hear(writer)) for _ in range(50))
        assert writer.poll() is None
    found = {message for message in waiting_messages(path) if message.startswith("number ")}
    assert {f"number {number}" for number in range(1, last)} <= found


def test_a_damaged_backup_is_refused_and_nothing_is_changed(path: Path, backup: Path) -> None:
    damage(backup)
    with pytest.raises(UsageError, match=r"(is damaged|malformed).*; nothing was changed"):
        restore(backup, path)
    assert marker(path) == "after the backup"
    assert not list(path.parent.glob("*replaced*"))


def test_half_a_backup_is_refused(path: Path, backup: Path) -> None:
    backup.write_bytes(backup.read_bytes()[: backup.stat().st_size // 2])
    with pytest.raises(UsageError, match="nothing was changed"):
        restore(backup, path)
    assert marker(path) == "after the backup"


@pytest.mark.parametrize("content", [b"", b"a tarball, by mistake" * 500])
def test_what_is_no_database_is_refused(path: Path, backup: Path, content: bytes) -> None:
    backup.write_bytes(content)
    with pytest.raises(UsageError, match="nothing was changed"):
        restore(backup, path)
    assert marker(path) == "after the backup"


@pytest.mark.parametrize("beyond_bytes", [-100_000, 1024], ids=["for the copy", "for the last step alone"])
def test_without_room_nothing_is_changed(path: Path, backup: Path, beyond_bytes: int) -> None:
    """No file may grow beyond this: what a full disk does, on any machine, at a moment of our choice."""
    limit = backup.stat().st_size + beyond_bytes
    done = subprocess.run(
        [sys.executable, "-m", "automation", "restore", backup], capture_output=True, text=True, check=False,
        timeout=60, env={"CACHE_DIR": str(path.parent), "MONITORING_ENV_FILE": "", "PATH": os.environ["PATH"]},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    place = path.parent / "restoring" / "monitoring.db" if beyond_bytes < 0 else path
    assert done.stderr.startswith(f"error: {place}: cannot be "), done.stderr
    assert marker(path) == "after the backup"
    assert not list(path.parent.glob("*replaced*"))
    with open_database(path) as database:
        assert database.rows("PRAGMA integrity_check") == [("ok",)]
    assert not (path.parent / "restoring").exists()
    restore(backup, path)
    assert marker(path) == "in the backup"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody without rights")
def test_what_may_not_be_read_or_written_is_told_with_its_name(filled: Path) -> None:
    with tempfile.TemporaryDirectory() as name:  # pytest's own directories are root's alone
        cache, backup = Path(name) / "cache", Path(name) / "backup.db"
        cache.mkdir()
        Path(name).chmod(0o755)
        cache.chmod(0o755)
        path = Path(shutil.copy(filled, cache / "monitoring.db"))
        shutil.copy(filled, backup)
        backup.chmod(0o600)
        restore(backup, path)  # what is imported late is imported now
        assert told_as_somebody(lambda: restore(backup, path)).startswith(f"StoreError: {cache}/locks")
        for entry in (cache, *cache.rglob("*")):
            os.chown(entry, NOBODY, NOBODY)
        told = told_as_somebody(lambda: restore(backup, path))
        assert told == f"UsageError: {backup}: cannot be read: Permission denied"


def test_a_database_of_somebody_else_is_refused(path: Path, tmp_path: Path) -> None:
    foreign = tmp_path / "grafana.db"
    apsw.Connection(str(foreign)).execute("CREATE TABLE dashboard (id); PRAGMA user_version = 2")
    with pytest.raises(UsageError, match=r"grafana\.db is a database, but not one of this program"):
        restore(foreign, path)


def test_a_backup_that_this_release_is_too_old_for_is_refused(path: Path, backup: Path) -> None:
    make_newer(backup, oldest_release=VERSION + 1)
    with pytest.raises(UsageError, match=f"only a release that knows version {VERSION + 1} may use"):
        restore(backup, path)


def test_the_database_itself_and_a_file_that_is_not_there_are_refused(path: Path) -> None:
    with pytest.raises(UsageError, match="is the database itself"):
        restore(path, path)
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        restore(path.with_name("none.db"), path)


@pytest.mark.parametrize("version", range(1, VERSION))
def test_a_backup_of_an_older_release_is_migrated(path: Path, tmp_path: Path, version: int) -> None:
    older = tmp_path / "older" / "monitoring.db"
    older.parent.mkdir()
    create_or_migrate(older, until=version).close()
    restore(older, path)
    with open_readonly(path) as database:
        assert database.row("PRAGMA user_version") == (VERSION,)


def test_a_database_of_the_replaced_system_is_adopted(path: Path, tmp_path: Path) -> None:
    old = tmp_path / "old.db"
    old_database.build(old)
    restore(old, path)
    with open_readonly(path) as database:
        assert database.rows("SELECT count(*) FROM alert_events WHERE source <> 'ops_error'") != [(0,)]


def test_over_a_damaged_database_the_restore_works_and_its_waiting_alerts_come_along(path: Path, backup: Path) -> None:
    insert(path, "stored before the damage")
    with open_database(path) as database:
        database.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    damage(path)
    restore(backup, path)
    assert marker(path) == "in the backup"
    assert len(list(path.parent.glob("monitoring.db.damaged-*Z"))) == 1


def test_without_any_database_the_restore_makes_one(path: Path, backup: Path) -> None:
    for file in path.parent.glob("monitoring.db*"):
        file.unlink()
    restore(backup, path)
    assert marker(path) == "in the backup"


def test_over_a_database_that_this_release_is_too_old_for_the_way_back_works(path: Path, backup: Path) -> None:
    insert(path, "stored by the newer release")
    make_newer(path, oldest_release=VERSION + 1)
    restore(backup, path)
    assert marker(path) == "in the backup"
    assert waiting_messages(path) == ["stored by the newer release"]


def test_a_run_that_does_not_end_is_named_and_nothing_is_changed(path: Path, backup: Path) -> None:
    tree = TreeLock(path.parent / "locks", environ={})
    assert tree.hold_shared(1)
    try:
        with pytest.raises(LockedError, match=r"still running after 1 s: .*; nothing was changed"):
            restore(backup, path)
    finally:
        tree.release()
    assert marker(path) == "after the backup"


def test_a_run_that_ends_in_time_is_waited_for(path: Path, backup: Path) -> None:
    tree = TreeLock(path.parent / "locks", environ={})
    assert tree.hold_shared(1)
    timer = threading.Timer(0.2, tree.release)
    timer.start()
    with staged(backup, path) as ready, no_runs(path.parent / "locks", 30):
        put_in_place(ready, backup, path, SystemClock(), by="ana", is_alive=lambda _: False)
    timer.join()
    assert marker(path) == "in the backup"


def test_a_kill_at_any_step_leaves_the_old_or_the_new_database_and_every_waiting_alert(
    path: Path, backup: Path, tmp_path: Path
) -> None:
    insert(path, "never delivered")
    with open_database(path) as database:
        database.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    seen = set()
    with killing() as killer:
        code, steps = killer.do(Deed("restore", str(_fresh_copy(path, tmp_path / "unharmed")), str(backup)))
        assert (code, steps > 100) == (0, True)
        for n in sorted({*range(1, steps + 1, max(1, steps // 25)), steps}):
            copy = _fresh_copy(path, tmp_path / f"killed-{n}")
            code, _ = killer.do(Deed("restore", str(copy), str(backup), kill_at=n))
            assert code == -9
            seen.add(_is_whole(copy))
            assert killer.do(Deed("restore", str(copy), str(backup)))[0] == 0
            assert _is_whole(copy) == "in the backup"
            assert not (copy.parent / "restoring").exists()
    assert seen == {"after the backup", "in the backup"}


def _fresh_copy(path: Path, directory: Path) -> Path:
    directory.mkdir()
    return Path(shutil.copy(path, directory / "monitoring.db"))


def _is_whole(path: Path) -> str | None:
    """Say which of the two databases it is; whichever, it is sound and the alert waits in it, once."""
    with open_database(path) as database:
        assert database.rows("PRAGMA integrity_check") == [("ok",)]
        assert database.rows("PRAGMA foreign_key_check") == []
    assert waiting_messages(path) == ["never delivered"]
    return marker(path)
