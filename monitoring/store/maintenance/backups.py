"""Backups: dated, checked copies of the database in a directory of their own; the oldest make room.

Behind the verb `backup` and the daily task. Nothing is held up meanwhile, and a copy has its final name only once it is
complete, sound and on the disk.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from monitoring.base.errors import StoreError
from monitoring.base.locks.profile_lock import SingleLock, make_private_directory
from monitoring.store.db.database import StoreDamagedError, sqlite_errors
from monitoring.store.maintenance.copying import Contents, copy_to_file, examine, mib, opened, require_room, sync

KEEP = 7
_STAMP = "%Y%m%dT%H%M%SZ"
_NAME = re.compile(r"monitoring-(\d{8}T\d{6}Z)\.db")
_UNFINISHED = "unfinished"


@dataclass(frozen=True, slots=True)
class Backup:
    """One finished backup, made at the instant in its name."""

    path: Path
    made_at: datetime
    size_bytes: int

    def __str__(self) -> str:
        return f"{self.path} ({mib(self.size_bytes)})"


@dataclass(frozen=True, slots=True)
class BackedUp:
    """What was done: the new backup, what it holds, and the older ones that made room."""

    backup: Backup
    contents: Contents
    removed: tuple[Path, ...]

    def __str__(self) -> str:
        lines = [f"{self.backup}: sound, {self.contents}", *(f"removed {path}" for path in self.removed)]
        return "\n".join(lines)


def default_directory(cache_dir: Path) -> Path:
    return cache_dir / "backups"


def back_up(database: Path, directory: Path, now: datetime, *, keep: int = KEEP) -> BackedUp:
    """Copy the database into `directory`, then remove all but the newest `keep` backups there.

    1. What an earlier backup left unfinished is removed.
    2. The copy is made under another name, and every page of it is read.
    3. On the disk, it gets its dated name.
    4. Only then the oldest go.

    Raises:
        LockedError: another backup of this database is at work.
        StoreDamagedError: the database is damaged; nothing was kept of it and no older backup was removed.
        StoreError: the database cannot be read, or the directory cannot be written.
    """
    lock = SingleLock(database.parent / "locks", "backup")
    with _disk_errors(directory):
        if not database.exists():
            raise StoreError(f"there is no database at {database}: nothing to back up")
        lock.take_or_refuse()
        try:
            make_private_directory(directory)
            _remove_unfinished(directory)
            backup, contents = _make(database, directory, now)
            removed = tuple(_remove_but(directory, max(1, keep), backup.made_at))
        finally:
            lock.release()
    return BackedUp(backup, contents, removed)


def stored(directory: Path, now: datetime) -> list[Backup]:
    """Return the finished backups of a directory, the newest first.

    One that is dated after now was made by a clock that was ahead: it is the last, and the first to make room.
    """
    found = []
    for path in directory.glob("monitoring-*.db"):
        if match := _NAME.fullmatch(path.name):
            with suppress(OSError, ValueError):
                made_at = datetime.strptime(match[1], _STAMP).replace(tzinfo=UTC)
                found.append(Backup(path, made_at, path.stat().st_size))
    return sorted(found, key=lambda backup: (backup.made_at <= now, backup.made_at), reverse=True)


def _make(database: Path, directory: Path, now: datetime) -> tuple[Backup, Contents]:
    require_room(directory, database)
    path = _free_name(directory, now)
    unfinished = path.with_suffix(f".{_UNFINISHED}")
    try:
        with opened(database) as source:
            copy_to_file(source, unfinished)
        with opened(unfinished) as copy:
            contents = examine(copy, unfinished)
        unfinished.rename(path)
        sync(directory)
    except StoreDamagedError as error:
        reason = str(error).replace(str(unfinished), str(database))
        raise StoreDamagedError(f"{reason}; it was not backed up, and the older backups were kept") from error
    finally:
        _remove_unfinished(directory)
    return stored_as(path), contents


def stored_as(path: Path) -> Backup:
    made_at = datetime.strptime(path.stem.partition("-")[2], _STAMP).replace(tzinfo=UTC)
    return Backup(path, made_at, path.stat().st_size)


def _free_name(directory: Path, now: datetime) -> Path:
    """Name the backup by its second, or by the next one that is free."""
    while (path := directory / f"monitoring-{now.strftime(_STAMP)}.db").exists():
        now += timedelta(seconds=1)
    return path


def _remove_unfinished(directory: Path) -> None:
    for path in directory.glob(f"monitoring-*.{_UNFINISHED}*"):
        path.unlink(missing_ok=True)


def _remove_but(directory: Path, keep: int, now: datetime) -> Iterator[Path]:
    for backup in stored(directory, now)[keep:]:
        backup.path.unlink(missing_ok=True)
        yield backup.path


@contextmanager
def _disk_errors(directory: Path) -> Iterator[None]:
    try:
        with sqlite_errors(directory):
            yield
    except OSError as error:
        raise StoreError(f"{error.filename or directory}: {error.strerror}: no backup was made") from error
