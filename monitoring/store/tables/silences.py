"""`silences`: what people asked not to hear for a while. Every silence ends; that is a column, not a promise."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatchcase

from monitoring.base.clock import from_text, to_text
from monitoring.store.db.database import Database, Row, Tx, fetch
from monitoring.store.tables import state

# What a silence held back may be covered by another one when it ends: for up to 30 days, and delivery may be late.
_LOOKED_BACK = timedelta(days=60)
_NAMESPACE, _FROM = "silences", "released-from"


@dataclass(frozen=True, slots=True)
class Silence:
    """One silence; without a key it covers the whole protocol. `silenced` counts the alerts it held back.

    `protocol` may also be a channel or a monitor: an alert that goes by the name of its asset stays covered by these.
    """

    id: int
    protocol: str
    key: str | None
    starts_at: datetime
    ends_at: datetime
    reason: str
    created_by: str
    silenced: int = 0

    def covers(self, names: Collection[str], key: str | None) -> bool:
        """Return whether an alert of these names and this key is meant; `*` in its key stands for anything."""
        if self.protocol.lower() not in map(str.lower, names):
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
    silence_id = tx.last_insert_rowid()
    released_from(tx, now)
    return silence_id


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
    released_from(tx, now)
    tx.execute("UPDATE silences SET ends_at = ? WHERE id = ? AND ends_at > ?", (to_text(now), silence_id, to_text(now)))
    return tx.changes() == 1


def released_from(tx: Tx, now: datetime) -> datetime:
    """Return from when on the end of a silence releases all it held back: since this release first looked.

    What was held back by those before has been waiting in vain for too long to be news.
    """
    state.put_if_absent(tx, _NAMESPACE, _FROM, to_text(now), now)
    found = tx.execute("SELECT value FROM monitor_state WHERE namespace = ? AND key = ?", (_NAMESPACE, _FROM))
    return from_text(str(found.fetchall()[0][0]))


def ended(tx: Tx, now: datetime) -> list[Silence]:
    """Return the silences that have ended and held something back, if their end releases all of it."""
    since = max(released_from(tx, now), now - _LOOKED_BACK)
    found = fetch(
        tx,
        f"{_SELECT} WHERE ends_at >= ? AND ends_at <= ? AND silenced > 0 ORDER BY id",
        (to_text(since), to_text(now)),
    )
    return [_silence(row) for row in found]


def count_one(tx: Tx, silence_id: int) -> None:
    """Count one more alert held back."""
    tx.execute("UPDATE silences SET silenced = silenced + 1 WHERE id = ?", (silence_id,))


def newest(database: Database, limit: int) -> list[Silence]:
    """Return the newest silences, those that have ended among them."""
    return [_silence(row) for row in database.rows(f"{_SELECT} ORDER BY id DESC LIMIT ?", (limit,))]


def _silence(row: Row) -> Silence:
    silence_id, protocol, key, starts_at, ends_at, reason, created_by, silenced = row
    return Silence(silence_id, protocol, key, from_text(starts_at), from_text(ends_at), reason, created_by, silenced)
