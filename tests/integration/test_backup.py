"""Backups of a real database: complete, sound, and in nobody's way."""

from __future__ import annotations

import os
import resource
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from monitoring.base.errors import LockedError, StoreError
from monitoring.base.locks.profile_lock import SingleLock
from monitoring.store.db.database import Database, StoreDamagedError
from monitoring.store.db.schema import open_database
from monitoring.store.maintenance.backups import BackedUp, back_up, stored
from monitoring.store.maintenance.copying import examine, opened
from monitoring.store.tables import alerts, state
from tests.support.child import hear, running_child
from tests.support.damage import damage
from tests.support.filled import fill
from tests.support.kill_upkeep import Deed, killing
from tests.support.parts import require
from tests.support.somebody import NOBODY, told_as_somebody

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("filled") / "monitoring.db"
    with fill(path, NOW, healthy=False) as database:
        database.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path


@pytest.fixture
def path(filled: Path, tmp_path: Path) -> Path:
    path = tmp_path / "cache" / "monitoring.db"
    path.parent.mkdir()
    shutil.copy(filled, path)
    return path


def backup(path: Path, now: datetime = NOW, keep: int = 7) -> BackedUp:
    return back_up(path, path.parent / "backups", now, keep=keep)


def rows(path: Path, sql: str) -> list[tuple[object, ...]]:
    with opened(path) as connection:
        return connection.execute(sql).fetchall()


def names(path: Path) -> list[str]:
    return sorted(entry.name for entry in (path.parent / "backups").iterdir())


def test_a_backup_holds_every_row_in_one_private_file_with_its_date(path: Path) -> None:
    done = backup(path)
    assert done.backup.path == path.parent / "backups" / "monitoring-20261123T100000Z.db"
    assert names(path) == ["monitoring-20261123T100000Z.db"]
    assert stat.S_IMODE(done.backup.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(done.backup.path.parent.stat().st_mode) == 0o700
    assert done.contents.waiting == 1
    for table in ("alert_events", "deliveries", "runs", "task_runs", "schedules", "conditions", "silences"):
        assert rows(done.backup.path, f"SELECT * FROM {table}") == rows(path, f"SELECT * FROM {table}")


def test_the_newest_backups_stay_and_foreign_files_too(path: Path) -> None:
    (path.parent / "backups").mkdir()
    (path.parent / "backups" / "monitoring-before-the-upgrade.db").write_text("somebody's own")
    for day in range(4):
        done = backup(path, NOW + timedelta(days=day), keep=2)
    assert [path.name for path in done.removed] == ["monitoring-20261124T100000Z.db"]
    assert names(path) == [
        "monitoring-20261125T100000Z.db", "monitoring-20261126T100000Z.db", "monitoring-before-the-upgrade.db",
    ]  # fmt: skip


@pytest.mark.case("A.1")
def test_what_a_clock_that_was_ahead_dated_makes_room_first(path: Path) -> None:
    """As the newest for a year, they would push out each backup as soon as it is made, and hide that none is made."""
    for day in range(3):
        backup(path, NOW + timedelta(days=366 + day), keep=3)
    for day in range(2):
        done = backup(path, NOW + timedelta(days=day), keep=3)
        assert done.backup.path.exists()
        assert done.removed == (path.parent / "backups" / f"monitoring-2027112{4 + day}T100000Z.db",)
    (newest, older, ahead) = stored(path.parent / "backups", NOW + timedelta(days=1))
    assert [each.made_at - NOW for each in (newest, older)] == [timedelta(days=1), timedelta(0)]
    assert ahead.made_at > newest.made_at


def test_two_backups_of_one_second_are_two_backups(path: Path) -> None:
    backup(path)
    backup(path)
    assert names(path) == ["monitoring-20261123T100000Z.db", "monitoring-20261123T100001Z.db"]


WRITER = """
import sys
import tempfile
from datetime import datetime, UTC
from pathlib import Path
from monitoring.store.tables import alerts, state
from monitoring.store.db.schema import open_database
with open_database(Path(sys.argv[1])) as database:
    number = 0
    while True:
        number += 1
        now = datetime.now(UTC)
        with database.write() as tx:
            alerts.insert(tx, alerts.NewAlert("p", "LOW", f"{sys.argv[2]} {number}"), ["telegram"], now)
            state.put(tx, "writer", sys.argv[2], str(number), now)
        print(number, flush=True)
"""


def test_a_backup_under_writers_is_one_moment_and_holds_nobody_up(path: Path) -> None:
    with running_child(WRITER, path, "a") as first, running_child(WRITER, path, "b") as second:
        assert (hear(first), hear(second)) == ("1", "1")
        for number in range(5):
            before = {"a": int(hear(first)), "b": int(hear(second))}
            done = backup(path, NOW + timedelta(minutes=number))
            _is_one_moment(done.backup.path, before)
        assert int(hear(first)) > 6
        assert int(hear(second)) > 6
        assert first.poll() is None
        assert second.poll() is None


def _is_one_moment(copy: Path, at_least: dict[str, int]) -> None:
    """An alert and the number that belongs to it were written together: both are in the copy, or neither."""
    for writer, least in at_least.items():
        [(number,)] = rows(copy, f"SELECT value FROM monitor_state WHERE namespace = 'writer' AND key = '{writer}'")
        [(stored_alerts,)] = rows(copy, f"SELECT count(*) FROM alert_events WHERE message LIKE '{writer} %'")
        assert int(str(number)) == stored_alerts >= least


def test_a_damaged_database_is_no_backup_and_pushes_no_good_one_out(path: Path) -> None:
    backup(path, keep=1)
    damage(path)
    with pytest.raises(StoreDamagedError, match=r"cache/monitoring\.db.*was not backed up.*older backups were kept"):
        backup(path, NOW + timedelta(days=1), keep=1)
    assert names(path) == ["monitoring-20261123T100000Z.db"]


def test_what_is_no_database_is_not_backed_up(path: Path) -> None:
    path.write_bytes(b"not a database, whatever its name" * 200)
    with pytest.raises(StoreDamagedError):
        backup(path)
    path.unlink()
    with pytest.raises(StoreError, match="there is no database at"):
        backup(path)


def test_a_full_disk_leaves_the_older_backups_and_nothing_unfinished(path: Path) -> None:
    backup(path, keep=1)
    done = _backup_with_small_files(path)
    assert done.returncode == 1, done.stderr
    assert "error: " in done.stderr
    assert "Traceback" not in done.stderr
    assert names(path) == ["monitoring-20261123T100000Z.db"]


def _environ(path: Path) -> dict[str, str]:
    return {"CACHE_DIR": str(path.parent), "MONITORING_ENV_FILE": "", "PATH": os.environ["PATH"]}


def _backup_with_small_files(path: Path) -> subprocess.CompletedProcess[str]:
    """No file may grow beyond 64 KiB: what a full disk does to a copy, on any machine."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (64 * 1024, 64 * 1024))

    return subprocess.run(
        [sys.executable, "-m", "automation", "backup", "--keep", "1"], env=_environ(path), capture_output=True,
        text=True, check=False, preexec_fn=limit, timeout=60,
    )  # fmt: skip


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
def test_a_disk_without_room_is_refused_before_anything_is_written(path: Path, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    script = (
        'mount -t tmpfs -o size=16m none "$1" && "$2" -m automation backup --to "$1"; code=$?; ls -A "$1"; exit $code'
    )
    done = subprocess.run(
        [require("unshare"), "-m", "sh", "-c", script, "sh", small, sys.executable], env=_environ(path),
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1
    assert "32.0 MiB must stay free for the runs, there are 16.0 MiB: make room, or use another disk" in done.stderr
    assert done.stdout == ""


def test_a_directory_that_cannot_be_made_is_told_with_its_name(path: Path) -> None:
    (path.parent / "backups").write_text("a file in the way")
    with pytest.raises(StoreError, match=r"backups"):
        backup(path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody without rights")
def test_a_directory_of_somebody_else_is_told_with_its_name(filled: Path) -> None:
    with tempfile.TemporaryDirectory() as name:  # pytest's own directories are root's alone
        path, elsewhere = Path(name) / "monitoring.db", Path(name) / "elsewhere"
        shutil.copy(filled, path)
        elsewhere.mkdir(mode=0o755)
        backup(path)  # what is imported late is imported now: somebody without rights may not read this interpreter
        for entry in (path.parent, *path.parent.rglob("*")):
            if entry != elsewhere:
                os.chown(entry, NOBODY, NOBODY)
        told = told_as_somebody(lambda: back_up(path, elsewhere, NOW))
        assert told.startswith(f"StoreError: {elsewhere}")
        assert "ermission denied" in told
        assert list(elsewhere.iterdir()) == []


def test_a_second_backup_at_the_same_time_is_refused(path: Path) -> None:
    lock = SingleLock(path.parent / "locks", "backup")
    lock.take_or_refuse()
    try:
        with pytest.raises(LockedError, match="another backup is at work"):
            backup(path)
    finally:
        lock.release()
    assert backup(path).contents.alerts > 0


def test_a_kill_at_any_step_leaves_sound_backups_and_the_next_one_clears_up(path: Path) -> None:
    earlier = backup(path, NOW - timedelta(days=1)).backup.path
    with killing() as killer:
        code, steps = killer.do(Deed("backup", str(path)))
        assert (code, steps > 50) == (0, True)
        for n in range(1, steps + 1, max(1, steps // 25)):
            code, _ = killer.do(Deed("backup", str(path), kill_at=n))
            assert code == -9
            assert (
                earlier in [each.path for each in stored(path.parent / "backups", datetime.max.replace(tzinfo=UTC))]
                or n > steps - 5
            )
            for each in stored(path.parent / "backups", datetime.max.replace(tzinfo=UTC)):
                with opened(each.path) as copy:
                    examine(copy, each.path)
    backup(path, NOW + timedelta(days=1), keep=1)
    assert names(path) == ["monitoring-20261124T100000Z.db"]


@pytest.fixture
def database(path: Path) -> Iterator[Database]:
    with open_database(path) as opened_database:
        yield opened_database


def test_a_backup_leaves_what_is_open_as_it_is(path: Path, database: Database) -> None:
    backup(path)
    with database.write() as tx:
        alerts.insert(tx, alerts.NewAlert("p", "LOW", "afterwards"), ["telegram"], NOW)
        state.put(tx, "n", "k", "v", NOW)
    assert database.is_current()
    [(count,)] = rows(path, "SELECT count(*) FROM alert_events WHERE message = 'afterwards'")
    assert count == 1
