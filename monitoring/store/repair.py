"""A damaged database is never fatal: it is set aside, a fresh one starts, what was still to be sent moves over.

Called by whoever meets `StoreDamagedError`. State of monitors is not carried over: first values after it are
seeds, not changes.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import apsw

from monitoring.clock import Clock, to_text
from monitoring.store.alerts import NewAlert, insert
from monitoring.store.database import BUSY_TIMEOUT_S, Database, StoreDamagedError, Tx
from monitoring.store.fair_lock import FairLock
from monitoring.store.schema import create_or_migrate, creation_lock, open_database

_REPAIR_TIMEOUT_S = 60.0
# Small tables whose loss would blind the audit; copied row by row as far as they can be read.
_SALVAGED = ("schedules", "scheduler_starts", "silences", "chat_migrations")
_WAITING = "FROM deliveries WHERE status IN ('pending', 'skipped_missing_credentials')"


@dataclass(frozen=True, slots=True)
class Repair:
    """What was done: where the damaged file lies now, and how many undelivered alerts were carried over."""

    set_aside: Path
    alerts_salvaged: int
    reason: str


def open_or_repair(
    path: Path, clock: Clock, *, busy_timeout_s: float = BUSY_TIMEOUT_S
) -> tuple[Database, Repair | None]:
    """Open the database; a damaged one is set aside first and told about in the second value.

    Raises:
        StoreError: it cannot be opened for a reason that a fresh file would not mend (owner, disk).
    """
    try:
        return open_database(path, busy_timeout_s=busy_timeout_s), None
    except StoreDamagedError as damage:
        return repair(path, clock.now(), str(damage), busy_timeout_s=busy_timeout_s)


def repair(
    path: Path, now: datetime, reason: str, *, busy_timeout_s: float = BUSY_TIMEOUT_S
) -> tuple[Database, Repair | None]:
    """Set the damaged file aside, with its `-wal` and `-shm`, and start a fresh one.

    1. Under the creation lock and the writers' lock, so that nobody creates or writes meanwhile.
    2. If somebody else repaired it already, theirs is opened.
    3. Undelivered alerts and the schedule history move over as far as they can be read.
    """
    write_lock = FairLock(path.parent / "locks" / "write.lock")
    with creation_lock(path).hold(_REPAIR_TIMEOUT_S):
        with write_lock.hold(_REPAIR_TIMEOUT_S):
            if not is_damaged(path):
                return Database(path, busy_timeout_s=busy_timeout_s), None
            aside = _set_aside(path, now)
        fresh = create_or_migrate(path, busy_timeout_s=busy_timeout_s)
        done = Repair(aside, _salvage(aside, fresh, now), reason)
        _tell(fresh, done, now)
        return fresh, done


def _tell(fresh: Database, done: Repair, now: datetime) -> None:
    """Store the alert that says so in the fresh database: whoever delivers next sends it."""
    alert = NewAlert(
        protocol="automation",
        severity="HIGH",
        title="The database was damaged and set aside",
        message=f"The database was damaged and set aside\n{describe(done, now)}",
        source="ops_error",
    )
    with fresh.write() as tx:
        insert(tx, alert, ["telegram"], now)


def is_damaged(path: Path) -> bool:
    """Look at every page: the whole file is read."""
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
    for suffix in ("-wal", "-shm", ""):
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + suffix).rename(aside.with_name(aside.name + suffix))
    return aside


def _salvage(aside: Path, fresh: Database, now: datetime) -> int:
    """Copy what can still be read; return the number of undelivered alerts carried over.

    The rows of earlier ticks are lost: nobody may take their absence for ticks that nobody ran.
    """
    try:
        damaged = apsw.Connection(str(aside), flags=apsw.SQLITE_OPEN_READWRITE)
    except apsw.Error:
        return 0
    with contextlib.closing(damaged), fresh.write() as tx:
        for table in _SALVAGED:
            _copy(damaged, tx, table, f"SELECT rowid FROM {table}")  # noqa: S608 - names of our own
        waiting = _copy(damaged, tx, "alert_events", f"SELECT alert_id {_WAITING}")
        _copy(damaged, tx, "deliveries", f"SELECT id {_WAITING}")
        _keep_ids_growing(damaged, tx)
        tx.execute("UPDATE schedules SET reconciled_to = max(reconciled_to, ?)", (to_text(now),))
    return waiting


def _copy(damaged: apsw.Connection, tx: Tx, table: str, ids_sql: str) -> int:
    """Copy the rows with these ids one by one, leaving out each that cannot be read or does not fit."""
    columns = [str(row[1]) for row in tx.execute(f"PRAGMA table_info({table})")]
    if not columns:
        return 0
    copied = 0
    names, marks = ", ".join(columns), ", ".join("?" * len(columns))
    for row_id in _readable_ids(damaged, ids_sql):
        with contextlib.suppress(apsw.Error):
            row = damaged.execute(f"SELECT {names} FROM {table} WHERE rowid = ?", (row_id,)).fetchone()  # noqa: S608
            if row:
                tx.execute(f"INSERT OR IGNORE INTO {table} ({names}) VALUES ({marks})", row)  # noqa: S608
                copied += tx.changes()
    return copied


def _readable_ids(damaged: apsw.Connection, ids_sql: str) -> list[int]:
    found: dict[int, None] = {}
    with contextlib.suppress(apsw.Error):
        for (row_id,) in damaged.execute(ids_sql):
            found[int(str(row_id))] = None
    return list(found)


def _keep_ids_growing(damaged: apsw.Connection, tx: Tx) -> None:
    """Ids of new rows stay above the old ones: cursors of the API and references in chats keep their meaning."""
    with contextlib.suppress(apsw.Error):
        for name, last in damaged.execute("SELECT name, seq FROM sqlite_sequence").fetchall():
            tx.execute("UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = ?", (last, name))
            if not tx.changes():
                tx.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (name, last))


def describe(repair_done: Repair, now: datetime) -> str:
    """Say in one line what happened, for the alert that tells people."""
    return (
        f"The database was damaged ({repair_done.reason}). At {to_text(now)} it was set aside as "
        f"{repair_done.set_aside.name}; {repair_done.alerts_salvaged} undelivered alerts were carried over. "
        "Remembered values start anew: the first values are seeds, not changes."
    )
