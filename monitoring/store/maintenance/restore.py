"""Puts a backup in the place of the database, and the database aside. Behind the verb `restore`.

The backup is checked, copied and migrated separately first; then the live one becomes that copy in one
transaction of SQLite's. Readers see the old or the new one, never a mixture, and a process that is
killed at any moment leaves one of the two.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import apsw

from monitoring.base.clock import Clock
from monitoring.base.errors import StoreError, UsageError
from monitoring.base.formatting import format_instant
from monitoring.base.locks.profile_lock import SingleLock, make_private_directory
from monitoring.base.plural import counted
from monitoring.store.db.database import Database, StoreDamagedError, StoreReplacedError, sqlite_errors
from monitoring.store.db.schema import create_or_migrate, creation_lock
from monitoring.store.db.write_lock import FairLock
from monitoring.store.maintenance.copying import (
    Contents,
    ForeignDatabaseError,
    copy,
    copy_to_file,
    examine,
    opened,
    refuse_foreign,
    require_room,
)
from monitoring.store.maintenance.merge_after_restore import CarriedOver, carry_over
from monitoring.store.maintenance.repair import is_damaged, open_or_repair, repair
from monitoring.store.tables.alerts import NewAlert, insert
from monitoring.store.tables.deliveries import PLACEHOLDER

_WRITERS_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Staged:
    """A checked copy of a backup, migrated to this release where it is older, next to the live database."""

    database: Database
    contents: Contents


@dataclass(frozen=True, slots=True)
class Restored:
    """What was done: where the replaced database lies now, and what came along from it."""

    set_aside: Path
    carried: CarriedOver


@contextmanager
def staged(backup: Path, database: Path) -> Iterator[Staged]:
    """Check a backup and copy it into `restoring/` next to the live database; the copy is gone afterwards.

    Raises:
        UsageError: the file cannot be restored: not there, damaged, not ours, or this release is too old for it.
        LockedError: another restore is at work.
        StoreError: there is no room for the copy, or it cannot be written.
    """
    if database.exists() and backup.exists() and backup.samefile(database):
        raise UsageError(f"{backup} is the database itself: name a backup of it")
    directory = database.parent / "restoring"
    lock = SingleLock(database.parent / "locks", "restore")
    with _disk_errors(directory):
        lock.take_or_refuse()
    try:
        with _disk_errors(directory):
            shutil.rmtree(directory, ignore_errors=True)
            make_private_directory(directory)
            contents = _stage(backup, directory / database.name)
            copied = create_or_migrate(directory / database.name)
        with copied:
            yield Staged(copied, contents)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
        lock.release()


def _stage(backup: Path, target: Path) -> Contents:
    """Copy the backup and judge the copy: it is what will be used, whatever becomes of the file."""
    try:
        with opened(backup) as source:
            refuse_foreign(source, backup)
            require_room(target.parent, backup)
            with sqlite_errors(target):
                copy_to_file(source, target)
        with opened(target) as copied:
            return examine(copied, backup)
    except (StoreDamagedError, ForeignDatabaseError) as error:
        raise UsageError(f"{error}; nothing was changed") from error


def put_in_place(
    ready: Staged, backup: Path, database: Path, clock: Clock, *, by: str, is_alive: Callable[[str], bool]
) -> Restored:
    """Make the live database what was staged; the caller keeps runs off (`quiet.no_runs`).

    1. A live database that is damaged or missing is replaced by a fresh one first, as a run would do it.
    2. Under the writers' lock what must survive is carried over (`merge_after_restore`), and an alert reports all this.
    3. The live database is copied aside under a dated name.
    4. It becomes the staged one, in one transaction.

    Raises:
        StoreBusyError: somebody else wrote for longer than a minute.
        StoreError: the disk does not allow it; the live database is as it was.
    """
    live = _open_live(database, clock)
    # The creation lock first, as in `repair`: in another order two processes could wait for each other.
    write_lock = FairLock(database.parent / "locks" / "write.lock")
    with live, creation_lock(database).hold(_WRITERS_TIMEOUT_S), write_lock.hold(_WRITERS_TIMEOUT_S):
        if not live.is_current():
            raise StoreReplacedError(f"{database} was replaced meanwhile; nothing was changed: try again")
        now = clock.now()
        aside = database.with_name(f"{database.name}.replaced-{now.strftime('%Y%m%dT%H%M%S%fZ')}")
        with _disk_errors(database):
            require_room(database.parent, database, ready.database.path)  # the copy aside, and the write-ahead log
            carried = carry_over(ready.database, live, now, is_alive)
            _raise_alert(ready, Restored(aside, carried), backup, now, by)
            # What is replaced lies on the disk as a whole before its first page changes: a kill leaves the way back.
            try:
                copy_to_file(live.connection, aside)
                copy(ready.database.connection, live.connection)
            except (apsw.Error, OSError):  # the disk said no; an interrupt may come when it is done
                aside.unlink(missing_ok=True)
                raise
        with suppress(apsw.Error):  # it is done; now or later the log moves into the file, and waits for no reader
            live.connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
    return Restored(aside, carried)


def _open_live(path: Path, clock: Clock) -> Database:
    """Open what is to be replaced; one that this release is too old for is read all the same: this is the way back."""
    if path.exists() and path.stat().st_size:
        if is_damaged(path):
            return repair(path, clock.now(), "found by restore")[0]
        database = Database(path)
        if database.numbers().refusal(path):
            return database
        database.close()
    return open_or_repair(path, clock)[0]


def _raise_alert(ready: Staged, done: Restored, backup: Path, now: datetime, by: str) -> None:
    """Store the alert for everybody else on call: what they know of may have jumped back."""
    newest = ready.contents.newest_at
    state = f" of {newest:%Y-%m-%d %H:%M} UTC" if newest else ""
    alert = NewAlert(
        protocol="automation",
        severity="MEDIUM",
        title="The database was restored from a backup",
        message=(
            f"The database was restored from a backup\n{by} restored {backup.name}{state} at {format_instant(now)}. "
            f"{counted(done.carried.undelivered, 'undelivered alert')} carried over. Newer runs, alerts and "
            f"values are in {done.set_aside.name}; a condition that began since then may be reported again."
        ),
        source="ops_error",
    )
    with ready.database.write() as tx:
        insert(tx, alert, ["telegram", PLACEHOLDER], now)


@contextmanager
def _disk_errors(path: Path) -> Iterator[None]:
    try:
        with sqlite_errors(path):
            yield
    except OSError as error:
        raise StoreError(f"{error.filename or path}: {error.strerror}: nothing was changed") from error
