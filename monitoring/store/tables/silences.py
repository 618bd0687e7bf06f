"""`silences`: what people asked not to hear for a while. Every silence ends; that is a column, not a promise.

The narrow ones, in a table of their own, are among all that is returned here.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from monitoring.base.clock import from_text, to_text
from monitoring.conditions.silence import Silence
from monitoring.store.db.database import Database, Row, Tx, fetch
from monitoring.store.people import narrow_silences
from monitoring.store.tables import state

# What a silence held back may be covered by another one when it ends: for up to 30 days, and delivery may be late.
_LOOKED_BACK = timedelta(days=60)
_NAMESPACE, _FROM = "silences", "released-from"


_SELECT = "SELECT id, protocol, key, starts_at, ends_at, reason, created_by, silenced FROM silences"


def add(
    tx: Tx, protocol: str, key: str | None, *, now: datetime, ends_at: datetime, reason: str, created_by: str
) -> int:
    return put(tx, Silence(0, protocol, key, now, ends_at, reason, created_by))


def put(tx: Tx, silence: Silence) -> int:
    """Store a new silence, whatever its id says; return the id it gets."""
    if silence.is_narrow:
        silence_id = narrow_silences.add(tx, silence)
    else:
        values = (silence.protocol, silence.key, to_text(silence.starts_at), to_text(silence.ends_at))
        tx.execute(
            "INSERT INTO silences (protocol, key, starts_at, ends_at, reason, created_by) VALUES (?, ?, ?, ?, ?, ?)",
            (*values, silence.reason, silence.created_by),
        )
        silence_id = tx.last_insert_rowid()
    released_from(tx, silence.starts_at)
    return silence_id


def active(tx: Tx, now: datetime) -> list[Silence]:
    """Return the silences that hold now, the one that ends last first; not those whose window is closed."""
    return [each for each in not_ended(tx, now) if each.holds(now)]


def not_ended(tx: Tx, now: datetime) -> list[Silence]:
    """Return the silences that have begun and not ended, the one that ends last first."""
    at = to_text(now)
    found = fetch(tx, f"{_SELECT} WHERE ends_at > ? AND starts_at <= ?", (at, at))
    every = [*map(_silence, found), *narrow_silences.between(tx, now, now)]
    return sorted(every, key=lambda each: each.ends_at, reverse=True)


def end(tx: Tx, silence_id: int, now: datetime) -> bool:
    """End a silence now; False if there is none of this id that still holds."""
    released_from(tx, now)
    tx.execute("UPDATE silences SET ends_at = ? WHERE id = ? AND ends_at > ?", (to_text(now), silence_id, to_text(now)))
    return tx.changes() == 1 or narrow_silences.end(tx, silence_id, now)


def released_from(tx: Tx, now: datetime) -> datetime:
    """Return from when on the end of a silence releases all it held back: since this release first looked.

    What was held back by those before has been waiting in vain for too long to be news.
    """
    state.put_if_absent(tx, _NAMESPACE, _FROM, to_text(now), now)
    found = tx.execute("SELECT value FROM monitor_state WHERE namespace = ? AND key = ?", (_NAMESPACE, _FROM))
    return from_text(str(found.fetchall()[0][0]))


def ended(tx: Tx, now: datetime) -> list[Silence]:
    """Return the silences that have ended and held something back, if their end releases all of it.

    One whose window is closed has ended for the time being.
    """
    since = max(released_from(tx, now), now - _LOOKED_BACK)
    found = fetch(
        tx,
        f"{_SELECT} WHERE ends_at >= ? AND ends_at <= ? AND silenced > 0 ORDER BY id",
        (to_text(since), to_text(now)),
    )
    return [*map(_silence, found), *narrow_silences.over(tx, since, now)]


def count_one(tx: Tx, silence: Silence, now: datetime) -> None:
    """Count one more alert held back."""
    if silence.is_narrow:
        narrow_silences.count_one(tx, silence.id, now)
    else:
        tx.execute("UPDATE silences SET silenced = silenced + 1 WHERE id = ?", (silence.id,))


def newest(database: Database, limit: int) -> list[Silence]:
    """Return the newest silences, those that have ended among them."""
    with database.snapshot() as tx:
        plain = [_silence(row) for row in fetch(tx, f"{_SELECT} ORDER BY id DESC LIMIT ?", (limit,))]
        found = [*plain, *narrow_silences.newest(tx, limit)]
    return sorted(found, key=lambda each: each.id, reverse=True)[:limit]


def between(database: Database, since: datetime, until: datetime) -> list[Silence]:
    """Return what held within (since, until), in the order of their begin."""
    with database.snapshot() as tx:
        values = (to_text(since), to_text(until))
        plain = [_silence(row) for row in fetch(tx, f"{_SELECT} WHERE ends_at > ? AND starts_at < ?", values)]
        found = [*plain, *narrow_silences.between(tx, since, until)]
    return sorted(found, key=lambda each: (each.starts_at, each.id))


def _silence(row: Row) -> Silence:
    silence_id, protocol, key, starts_at, ends_at, reason, created_by, silenced = row
    return Silence(silence_id, protocol, key, from_text(starts_at), from_text(ends_at), reason, created_by, silenced)
