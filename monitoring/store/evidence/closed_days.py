"""`closed_days` and `closed_rows`: days that were reported, with their digests and what these cover.

Each covers, by id, what was recorded since the one before, so nothing is left out and nothing is covered twice,
whatever the clock showed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import orjson

from monitoring.base.clock import from_text, to_text
from monitoring.store.db.compatibility import has_table
from monitoring.store.db.database import Row, Tx, fetch
from monitoring.store.tables import state

_ID_BYTES, _HASH_BYTES = 8, 8
_NAMESPACE, _PRUNED = "evidence", "pruned-before"


@dataclass(frozen=True, slots=True)
class ClosedRows:
    """What a day covers of one table. `packed` holds a short hash of each row; none once its rows were pruned."""

    table: str
    after_id: int
    last_id: int
    rows: int
    open_ids: tuple[int, ...]
    hash: str
    packed: bytes | None = None

    @property
    def row_hashes(self) -> dict[int, bytes]:
        """Return the short hash of each row, by id."""
        step, packed = _ID_BYTES + _HASH_BYTES, self.packed or b""
        parts = (packed[at : at + step] for at in range(0, len(packed), step))
        return {int.from_bytes(part[:_ID_BYTES], "big"): part[_ID_BYTES:] for part in parts}


@dataclass(frozen=True, slots=True)
class ClosedDay:
    """A day that was reported; `since` is earlier than `day` where nobody reported for days. `numbers` is JSON."""

    id: int
    day: date
    since: date
    version: int
    closed_at: datetime
    numbers: str
    previous: str
    digest: str
    alert_id: int | None = None


_SELECT = "SELECT id, day, since, version, closed_at, numbers, previous, digest, alert_id FROM closed_days"


def add(tx: Tx, closed: ClosedDay, found: Sequence[ClosedRows]) -> int:
    """Write a day, whatever its id says; return the id it gets."""
    tx.execute(
        "INSERT INTO closed_days (day, since, version, closed_at, numbers, previous, digest, alert_id) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            closed.day.isoformat(), closed.since.isoformat(), closed.version, to_text(closed.closed_at),
            closed.numbers, closed.previous, closed.digest, closed.alert_id,
        ),
    )  # fmt: skip
    closed_id = tx.last_insert_rowid()
    tx.executemany(
        "INSERT INTO closed_rows (closed_id, table_name, after_id, last_id, rows, open_ids, hash, row_hashes) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                closed_id, each.table, each.after_id, each.last_id, each.rows, orjson.dumps(each.open_ids).decode(),
                each.hash, each.packed or b"",
            )
            for each in found
        ],
    )  # fmt: skip
    return closed_id


def is_yesterday_closed(tx: Tx, now: datetime) -> bool:
    """Return whether yesterday was reported: then nothing is due before tomorrow."""
    yesterday = (now.date() - timedelta(days=1)).isoformat()
    return bool(_found(tx, "WHERE day = ? LIMIT 1", yesterday))


def newest(tx: Tx) -> ClosedDay | None:
    """Return the one that was written last."""
    found = _found(tx, "ORDER BY id DESC LIMIT 1")
    return found[0] if found else None


def oldest(tx: Tx) -> ClosedDay | None:
    """Return the one from which on days are covered."""
    found = _found(tx, "ORDER BY id LIMIT 1")
    return found[0] if found else None


def newest_before(tx: Tx, closed_before: datetime) -> ClosedDay | None:
    """Return the latest day among those that were closed before an instant."""
    found = _found(tx, "WHERE closed_at <= ? ORDER BY day DESC, id DESC LIMIT 1", to_text(closed_before))
    return found[0] if found else None


def of_day(tx: Tx, day: date) -> list[ClosedDay]:
    """Return those that cover a day, the oldest first: more than one only where a clock was wrong."""
    return _found(tx, "WHERE day >= ? AND since <= ? ORDER BY id", day.isoformat(), day.isoformat())


def between(tx: Tx, first: date, last: date) -> list[ClosedDay]:
    """Return those of these days, first and last among them, the oldest first."""
    return _found(tx, "WHERE day >= ? AND day <= ? ORDER BY id", first.isoformat(), last.isoformat())


def before(tx: Tx, closed_id: int) -> ClosedDay | None:
    """Return the one that was written just before another."""
    found = _found(tx, "WHERE id < ? ORDER BY id DESC LIMIT 1", closed_id)
    return found[0] if found else None


def after(tx: Tx, closed_id: int) -> ClosedDay | None:
    """Return the one that was written just after another."""
    found = _found(tx, "WHERE id > ? ORDER BY id LIMIT 1", closed_id)
    return found[0] if found else None


def rows_of(tx: Tx, closed_id: int) -> dict[str, ClosedRows]:
    """Return what a day covers, by table."""
    found = fetch(
        tx,
        "SELECT table_name, after_id, last_id, rows, open_ids, hash, row_hashes FROM closed_rows WHERE closed_id = ? "
        "ORDER BY table_name",
        (closed_id,),
    )
    return {row[0]: _rows(row) for row in found}


def prune(tx: Tx, before_at: datetime) -> int:
    """Note that what is older goes, and forget what names its rows; the digests stay. Return how many days that is."""
    if not has_table(tx, "closed_days"):
        return 0
    pruned = pruned_before(tx)
    if pruned is None or pruned < before_at:
        state.put(tx, _NAMESPACE, _PRUNED, to_text(before_at), before_at)
    tx.execute(
        "UPDATE closed_rows SET row_hashes = NULL WHERE row_hashes IS NOT NULL "
        "AND closed_id IN (SELECT id FROM closed_days WHERE day < ?)",
        (before_at.date().isoformat(),),
    )
    return tx.changes()


def pruned_before(tx: Tx) -> datetime | None:
    """Return up to when rows were pruned."""
    found = fetch(tx, "SELECT value FROM monitor_state WHERE namespace = ? AND key = ?", (_NAMESPACE, _PRUNED))
    return from_text(found[0][0]) if found else None


def _found(tx: Tx, rest: str, *values: str | int) -> list[ClosedDay]:
    if not has_table(tx, "closed_days"):
        return []
    return [_day(row) for row in fetch(tx, f"{_SELECT} {rest}", values)]


def _day(row: Row) -> ClosedDay:
    closed_id, day, since, version, closed_at, numbers, previous, digest, alert_id = row
    return ClosedDay(
        closed_id, date.fromisoformat(day), date.fromisoformat(since), version, from_text(closed_at), numbers, previous,
        digest, alert_id,
    )  # fmt: skip


def _rows(row: Row) -> ClosedRows:
    table, after_id, last_id, count, open_ids, found, packed = row
    return ClosedRows(table, after_id, last_id, count, tuple(orjson.loads(open_ids)), found, packed)


def pack(row_id: int, found: bytes) -> bytes:
    """Return the hash of one row as it is kept: eight bytes of it behind the id."""
    return row_id.to_bytes(_ID_BYTES, "big") + found[:_HASH_BYTES]
