"""`silences`: what people asked not to hear for a while. Every silence ends; that is a column, not a promise."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase

from monitoring.base.clock import from_text, to_text
from monitoring.store.db.database import Database, Row, Tx, fetch


@dataclass(frozen=True, slots=True)
class Silence:
    """One silence; without a key it covers the whole protocol. `silenced` counts the alerts it held back."""

    id: int
    protocol: str
    key: str | None
    starts_at: datetime
    ends_at: datetime
    reason: str
    created_by: str
    silenced: int = 0

    def covers(self, protocol: str, key: str | None) -> bool:
        """Return whether an alert of this protocol and key is meant; `*` in the silence's key stands for anything."""
        if self.protocol.lower() != protocol.lower():
            return False
        return self.key is None or (key is not None and matches(self.key, key))


def matches(pattern: str, key: str) -> bool:
    """Return whether a key is meant by the key of a silence."""
    # The key itself first: an alert prints it as it is, and brackets in it would be a pattern that leaves it out.
    return key == pattern or fnmatchcase(key, pattern)


_SELECT = "SELECT id, protocol, key, starts_at, ends_at, reason, created_by, silenced FROM silences"


def add(
    tx: Tx, protocol: str, key: str | None, *, now: datetime, ends_at: datetime, reason: str, created_by: str
) -> int:
    tx.execute(
        "INSERT INTO silences (protocol, key, starts_at, ends_at, reason, created_by) VALUES (?, ?, ?, ?, ?, ?)",
        (protocol, key, to_text(now), to_text(ends_at), reason, created_by),
    )
    return tx.last_insert_rowid()


def active(tx: Tx, now: datetime) -> list[Silence]:
    """Return the silences that hold now, the one that ends last first."""
    return [
        _silence(row)
        for row in fetch(
            tx, f"{_SELECT} WHERE ends_at > ? AND starts_at <= ? ORDER BY ends_at DESC", (to_text(now), to_text(now))
        )
    ]


def end(tx: Tx, silence_id: int, now: datetime) -> bool:
    """End a silence now; False if there is none of this id that still holds."""
    tx.execute("UPDATE silences SET ends_at = ? WHERE id = ? AND ends_at > ?", (to_text(now), silence_id, to_text(now)))
    return tx.changes() == 1


def count_one(tx: Tx, silence_id: int) -> None:
    """Count one more alert held back."""
    tx.execute("UPDATE silences SET silenced = silenced + 1 WHERE id = ?", (silence_id,))


def newest(database: Database, limit: int) -> list[Silence]:
    """Return the newest silences, those that have ended among them."""
    return [_silence(row) for row in database.rows(f"{_SELECT} ORDER BY id DESC LIMIT ?", (limit,))]


def _silence(row: Row) -> Silence:
    silence_id, protocol, key, starts_at, ends_at, reason, created_by, silenced = row
    return Silence(silence_id, protocol, key, from_text(starts_at), from_text(ends_at), reason, created_by, silenced)
