"""Copies a database while it is in use, and says what a copy holds: for backups and for restoring one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import apsw

from monitoring.base.clock import instant_or_none
from monitoring.base.errors import StoreError, UsageError
from monitoring.base.plural import counted
from monitoring.store.db.compatibility import read_numbers
from monitoring.store.db.database import StoreDamagedError, refuse_cut, sqlite_errors

# Between steps an interrupt is heard; one step of this many pages takes some milliseconds.
_PAGES_A_STEP = 4096
# Stays free for the runs: some of them with their alerts and output.
_RESERVE_BYTES = 32 * 1024**2
_OURS = frozenset({"alert_events", "deliveries", "monitor_state", "runs", "task_runs", "schedules"})
_OF_THE_OLD_SYSTEM = frozenset({"id", "created_at", "protocol", "message", "delivery_status"})


@dataclass(frozen=True, slots=True)
class Contents:
    """What a sound copy holds; `newest_at` is when it was last written to. Version 0: of the replaced system."""

    version: int
    alerts: int
    waiting: int
    runs: int
    newest_at: datetime | None

    def __str__(self) -> str:
        newest = f", the newest entry of {self.newest_at:%Y-%m-%d %H:%M:%S} UTC" if self.newest_at else ""
        waiting = f" ({self.waiting} still to be delivered)" if self.waiting else ""
        rows = f"{counted(self.alerts, 'alert')}{waiting}, {counted(self.runs, 'run')}"
        return f"{rows}, schema {self.version}{newest}"


class ForeignDatabaseError(StoreError):
    """A database that is not of this program, or of a release that this one is too old for."""


def copy(source: apsw.Connection, target: apsw.Connection) -> None:
    """Make `target` what `source` is at this moment, even while others write to it.

    The read transaction holds that moment: without it every write of another process would make the copy start again.
    Into a database that is in use the whole copy is one transaction: others see all of it or nothing.
    """
    source.execute("BEGIN")
    try:
        source.execute("SELECT count(*) FROM sqlite_master").fetchone()
        with target.backup("main", source, "main") as copying:
            while not copying.done:
                copying.step(_PAGES_A_STEP)
    finally:
        with suppress(apsw.Error):
            source.execute("ROLLBACK")


def copy_to_file(source: apsw.Connection, path: Path) -> None:
    """Copy into a new file, mode 0600, on disk when this returns; it needs no `-wal` file.

    Raises:
        FileExistsError: there is a file of this name.
        OSError, apsw.Error: what the disk says; the unfinished file stays for the caller to remove.
    """
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    with closing(apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)) as target:
        copy(source, target)
        target.execute("PRAGMA journal_mode=DELETE")
    sync(path)


def require_room(directory: Path, *databases: Path) -> None:
    """Refuse before copies of these databases fill the disk: meanwhile runs must be able to store their alerts.

    Raises:
        StoreError: there is not room enough in `directory`.
    """
    files = [path.with_name(path.name + suffix) for path in databases for suffix in ("", "-wal")]
    needed = sum(path.stat().st_size for path in files if path.exists())
    free = shutil.disk_usage(directory).free
    if free < needed + _RESERVE_BYTES:
        raise StoreError(
            f"{directory}: {mib(needed)} are needed and {mib(_RESERVE_BYTES)} must stay free for the runs, there are "
            f"{mib(free)}: make room, or use another disk"
        )


def mib(size_bytes: int) -> str:
    return f"{size_bytes / 1024**2:.1f} MiB"


@contextmanager
def opened(path: Path) -> Iterator[apsw.Connection]:
    """Open any database file for reading; its `-wal`, if it has one, counts.

    Raises:
        UsageError: there is no such file, or it cannot be read.
        StoreDamagedError: it is no database.
    """
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
    refuse_cut(path)
    with sqlite_errors(path), closing(apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)) as connection:
        connection.set_busy_timeout(5000)
        connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)  # who reads does not tidy up either
        yield connection


def examine(connection: apsw.Connection, path: Path) -> Contents:
    """Read every page and say what the file holds.

    Raises:
        StoreDamagedError: a page, an index or a reference is not as it should be.
        ForeignDatabaseError: it is sound, but not of this program, or this release is too old for it.
    """
    with sqlite_errors(path):
        refuse_foreign(connection, path)
        fault = next(iter(connection.execute("PRAGMA integrity_check(1)")), ("nothing",))[0]
        if fault != "ok":
            raise StoreDamagedError(f"{path} is damaged: {' '.join(str(fault).split())}")
        if broken := connection.execute("PRAGMA foreign_key_check").fetchone():
            raise StoreDamagedError(f"{path} is damaged: a row of {broken[0]} belongs to one that is not there")
        return _contents(connection)


def refuse_foreign(connection: apsw.Connection, path: Path) -> None:
    """Distinguish a database of this program, or of the system it replaces, from any other.

    Raises:
        ForeignDatabaseError: it is none of them, or this release is too old for it.
    """
    numbers = read_numbers(connection)
    tables = {str(row[0]) for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    columns = {str(row[1]) for row in connection.execute("PRAGMA table_info(alert_events)")}
    if not (columns >= _OF_THE_OLD_SYSTEM and (numbers.version == 0 or tables >= _OURS)):
        raise ForeignDatabaseError(f"{path} is a database, but not one of this program: it lacks our tables")
    if refusal := numbers.refusal(path):
        raise ForeignDatabaseError(refusal)


def _contents(connection: apsw.Connection) -> Contents:
    def number(sql: str) -> int:
        return int(str(next(iter(connection.execute(sql)))[0]))

    version, alerts = read_numbers(connection).version, number("SELECT count(*) FROM alert_events")
    if version == 0:
        return Contents(0, alerts, 0, 0, _instant(connection, "SELECT max(created_at) FROM alert_events"))
    waiting = "SELECT count(*) FROM deliveries WHERE status IN ('pending', 'skipped_missing_credentials')"
    newest = (
        "SELECT max(at) FROM (SELECT max(created_at) AS at FROM alert_events UNION ALL "
        "SELECT max(coalesce(ended_at, started_at)) FROM runs UNION ALL SELECT max(updated_at) FROM monitor_state)"
    )
    return Contents(version, alerts, number(waiting), number("SELECT count(*) FROM runs"), _instant(connection, newest))


def _instant(connection: apsw.Connection, sql: str) -> datetime | None:
    return instant_or_none(next(iter(connection.execute(sql)))[0])


def sync(path: Path) -> None:
    """Bring a file, or the names in a directory, to the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
