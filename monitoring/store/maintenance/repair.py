"""A damaged database is never fatal: it is set aside, a fresh one starts, what was still to be sent moves over.

Called where `StoreDamagedError` is caught. State of monitors is not carried over: first values after it are
seeds, not changes.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import apsw

from monitoring.base.clock import Clock
from monitoring.base.formatting import format_instant
from monitoring.store.db.database import (
    BUSY_TIMEOUT_S,
    Database,
    StoreDamagedError,
    StoreReplacedError,
    identity_of,
    is_cut,
    loss_mark,
)
from monitoring.store.db.schema import create_or_migrate, creation_lock, open_database
from monitoring.store.db.write_lock import FairLock
from monitoring.store.maintenance.salvage import Salvaged, salvage
from monitoring.store.tables.alerts import NewAlert, insert
from monitoring.store.tables.deliveries import PLACEHOLDER

_REPAIR_TIMEOUT_S = 60.0
_WAL_HEADER_BYTES = 32


@dataclass(frozen=True, slots=True)
class Repair:
    """What was done: where the damaged file lies now, and what was carried over."""

    set_aside: Path
    salvaged: Salvaged
    reason: str


def open_or_repair(
    path: Path, clock: Clock, *, busy_timeout_s: float = BUSY_TIMEOUT_S, migrate: bool = True
) -> tuple[Database, Repair | None]:
    """Open the database; a damaged one is set aside first, which the second value reports. `migrate`: see the schema.

    Raises:
        StoreError: it cannot be opened for a reason that a fresh file would not repair (owner, disk).
    """
    try:
        return open_database(path, busy_timeout_s=busy_timeout_s, migrate=migrate), None
    except StoreDamagedError as damage:
        return repair(path, clock.now(), str(damage), busy_timeout_s=busy_timeout_s)


def repair(
    path: Path, now: datetime, reason: str, *, opened: Database | None = None, busy_timeout_s: float = BUSY_TIMEOUT_S
) -> tuple[Database, Repair | None]:
    """Set the damaged file aside, with its `-wal` and `-shm`, and start a fresh one.

    1. Under the creation lock and the writers' lock, so that nobody creates or writes meanwhile.
    2. If another process repaired it already, its file is opened.
    3. Undelivered alerts and the schedule history move over as far as they can be read: from the file, and through
       the connection that found the damage (`opened`), which may still hold pages that the file has lost. It is closed.
    4. Readings follow, day by day.

    Raises:
        StoreReplacedError: another process repaired it, and `opened` is still to be emptied (`lost.reopen`).
        StoreError: the disk does not allow it; `opened` stays open.
    """
    write_lock = FairLock(path.parent / "locks" / "write.lock")
    with creation_lock(path).hold(_REPAIR_TIMEOUT_S):
        with write_lock.hold(_REPAIR_TIMEOUT_S):
            if not is_damaged(path):
                if opened is not None and not opened.is_current():
                    raise StoreReplacedError(f"{path} was repaired by another process")
                return _instead_of(opened, Database(path, busy_timeout_s=busy_timeout_s)), None
            aside = _set_aside(path, now)
        fresh = create_or_migrate(path, busy_timeout_s=busy_timeout_s)
        try:
            done = _salvage(aside, opened, fresh, now, reason)
        except BaseException:
            fresh.close()
            raise
    _bring_readings(aside, opened, fresh, now)
    return _instead_of(opened, fresh), done


def _instead_of(opened: Database | None, other: Database) -> Database:
    if opened is not None:
        opened.close()
    return other


def is_damaged(path: Path) -> bool:
    """Look at every page: the whole file is read."""
    if is_cut(path):
        return True
    try:
        with contextlib.closing(apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)) as connection:
            found = connection.execute("PRAGMA quick_check(1)").fetchone()
            return found is None or found[0] != "ok"
    except (apsw.NotADBError, apsw.CorruptError):
        return True
    except apsw.Error:
        return False


def _set_aside(path: Path, now: datetime) -> Path:
    stamp = now.strftime("%Y%m%dT%H%M%S%fZ")
    aside = path.with_name(f"{path.name}.damaged-{stamp}")
    # The log first: next to a fresh file of this name SQLite would read the old log into it.
    for suffix in ("-wal", "-shm", ""):
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + suffix).rename(aside.with_name(aside.name + suffix))
    return aside


def _salvage(aside: Path, opened: Database | None, fresh: Database, now: datetime, reason: str) -> Repair:
    """Copy what can still be read, and store the alert that reports it; the next delivery sends it."""
    with fresh.write() as tx:
        try:
            with contextlib.closing(_open_aside(aside)) as damaged:
                salvaged = salvage(damaged, tx, now)
        except apsw.Error:
            salvaged = Salvaged(is_complete=False)
        if opened is not None:
            salvaged += salvage(opened.connection, tx, now)
        done = Repair(aside, salvaged, reason)
        alert = NewAlert(
            protocol="automation",
            severity="HIGH",
            title="The database was damaged and set aside",
            message=f"The database was damaged and set aside\n{describe(done, now)}",
            source="ops_error",
            fingerprint=loss_mark(identity_of(_log_of(aside)) or identity_of(aside)),
        )
        insert(tx, alert, ["telegram", PLACEHOLDER], now)
    return done


def _bring_readings(aside: Path, opened: Database | None, fresh: Database, now: datetime) -> None:
    """Copy what checks read, last of all and outside of the locks: it may take seconds."""
    from monitoring.store.maintenance.salvage_readings import salvage_readings  # noqa: PLC0415 - only after a loss

    if opened is not None:
        salvage_readings(opened.connection, fresh, now)
        return
    with contextlib.suppress(apsw.Error), contextlib.closing(_open_aside(aside)) as damaged:
        salvage_readings(damaged, fresh, now)


def _open_aside(aside: Path) -> apsw.Connection:
    """Open what was set aside; its log is read, and left as it is for a process that still has the file open."""
    _let_log_be_read(aside)
    connection = apsw.Connection(str(aside), flags=apsw.SQLITE_OPEN_READWRITE)
    connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
    return connection


def _let_log_be_read(aside: Path) -> None:
    """SQLite deletes the log of a file of 0 bytes; with one empty page it reads it."""
    log = _log_of(aside)
    with contextlib.suppress(OSError):
        if aside.stat().st_size == 0 and log.stat().st_size > _WAL_HEADER_BYTES:
            with log.open("rb") as file:
                page_size = int.from_bytes(file.read(12)[8:], "big")
            os.truncate(aside, page_size)


def _log_of(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


def describe(repair_done: Repair, now: datetime) -> str:
    """Return in one line what happened, for the alert."""
    return (
        f"The database was damaged ({repair_done.reason}). At {format_instant(now)} it was set aside as "
        f"{repair_done.set_aside.name}; {repair_done.salvaged}. "
        "Remembered values are gone: the first values read become new baselines and are not reported as changes. "
        "Readings of checks follow as far as they can be read; `status` says how many are lost."
    )
