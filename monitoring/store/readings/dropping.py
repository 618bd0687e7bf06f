"""Readings give way: to a disk that is nearly full, and to any fault of their own. Never does a condition give way.

What is dropped is counted in `monitor_state`; `status` and `doctor` show it.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import apsw

from monitoring.base.clock import instant_or_none, to_text
from monitoring.base.plural import counted
from monitoring.base.secrets.redact import excerpt
from monitoring.conditions.condition import ConditionKey
from monitoring.store.db.database import Database, Tx
from monitoring.store.tables import state

if TYPE_CHECKING:
    from monitoring.store.readings.reading import CheckReading

# Ours: what conditions, alerts and rows of some days need of a disk on which nothing else is written.
ROOM_BYTES = 32 * 1024**2
_NAMESPACE, _KEY = "readings", "dropped"
_LONGEST = 200
_LATELY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class DroppedReadings:
    """How many readings were dropped, why the last ones were, and when: none while it is not written yet."""

    count: int
    why: str
    at: datetime | None = None

    @property
    def in_words(self) -> str:
        when = f", the last at {self.at:%Y-%m-%d %H:%M} UTC" if self.at else ""
        return f"{counted(self.count, 'reading')} could not be kept so far{when}: {self.why}"


def no_room(database: Path) -> str:
    """Say why no reading may be written now, nothing if it may."""
    try:
        free = shutil.disk_usage(database.parent).free
    except OSError:
        return ""  # what is wrong with the disk the store says itself
    if free >= ROOM_BYTES:
        return ""
    return (
        f"the disk has {free // 1024**2} MiB left, the last {ROOM_BYTES // 1024**2} MiB are for alerts and conditions"
    )


def record_or_drop_in(tx: Tx, readings: Sequence[CheckReading], gone: Iterable[ConditionKey], now: datetime) -> None:
    """Write readings into a transaction that goes on, whatever becomes of them.

    Raises:
        apsw.Error: the file is damaged, or SQLite has ended the whole transaction; both are the caller's.
    """
    from monitoring.store.readings.writing import record_in  # noqa: PLC0415 - `status` only counts, and starts without

    tx.execute("SAVEPOINT readings")
    try:
        record_in(tx, readings, gone, now)
    except apsw.CorruptError:
        raise
    except Exception as error:
        if not tx.in_transaction:
            raise
        tx.execute("ROLLBACK TO readings")
        count(tx, DroppedReadings(len(readings), f"{type(error).__name__}: {error}"), now)
    tx.execute("RELEASE readings")


def count(tx: Tx, dropped: DroppedReadings, now: datetime) -> None:
    """Add to what was dropped so far."""
    before = dropped_so_far(tx)
    found = {"count": dropped.count + (before.count if before else 0), "why": excerpt(dropped.why, _LONGEST)}
    state.put(tx, _NAMESPACE, _KEY, json.dumps({**found, "at": to_text(now)}), now)


def lately_dropped(database: Database, now: datetime) -> DroppedReadings | None:
    """Return what was dropped so far, if something was within the last day."""
    found = dropped_so_far(database)
    return found if found is not None and found.at is not None and now - found.at < _LATELY else None


def dropped_so_far(database: Database | Tx) -> DroppedReadings | None:
    """Return what was dropped since the database exists, none if nothing was."""
    if isinstance(database, Database):
        return database.read(dropped_so_far)
    sql = "SELECT value FROM monitor_state WHERE namespace = ? AND key = ?"
    row = database.execute(sql, (_NAMESPACE, _KEY)).fetchone()
    try:
        found = json.loads(row[0] if row else "")
        return DroppedReadings(int(found["count"]), str(found["why"]), instant_or_none(found["at"]))
    except (ValueError, KeyError, TypeError):
        return None
