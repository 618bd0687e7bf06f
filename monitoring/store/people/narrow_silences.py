"""`narrow_silences`: silences with a severity, a chain or hours of a week, which the release before does not know.

In a table of their own: it would read one of `silences` without what makes it narrow, and hold back more than was
meant. Called by `tables.silences`, which has them all.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime

from monitoring.base.clock import from_text, to_text
from monitoring.base.errors import MonitoringError
from monitoring.conditions.severity import Severity
from monitoring.conditions.silence import Silence, SilenceWindow
from monitoring.store.db.compatibility import has_table
from monitoring.store.db.database import Row, Tx, fetch

log = logging.getLogger("monitoring.silences")
_SELECT = (
    "SELECT id, protocol, key, starts_at, ends_at, reason, created_by, silenced, severity, chain, hours, last_at "
    "FROM narrow_silences"
)


def add(tx: Tx, silence: Silence) -> int:
    """Store it under an id that no other silence has or will have; return that."""
    at = to_text(silence.starts_at)
    tx.execute("INSERT INTO silences (protocol, starts_at, ends_at) VALUES ('', ?, ?)", (at, at))
    silence_id = tx.last_insert_rowid()
    tx.execute("DELETE FROM silences WHERE id = ?", (silence_id,))
    tx.execute(
        "INSERT INTO narrow_silences (id, protocol, key, severity, chain, hours, starts_at, ends_at, reason, "
        "created_by) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            silence_id, silence.protocol, silence.key, silence.severity.name if silence.severity is not None else None,
            silence.chain, str(silence.window) if silence.window else None, at, to_text(silence.ends_at),
            silence.reason, silence.created_by,
        ),
    )  # fmt: skip
    return silence_id


def between(tx: Tx, since: datetime, until: datetime) -> list[Silence]:
    """Return those whose time has a part in (since, until], the one that ends last first."""
    return _found(tx, "WHERE ends_at > ? AND starts_at <= ? ORDER BY ends_at DESC", to_text(since), to_text(until))


def end(tx: Tx, silence_id: int, now: datetime) -> bool:
    """End one now; False if there is none of this id that still holds."""
    if not has_table(tx, "narrow_silences"):
        return False
    at = to_text(now)
    tx.execute("UPDATE narrow_silences SET ends_at = ? WHERE id = ? AND ends_at > ?", (at, silence_id, at))
    return tx.changes() == 1


def count_one(tx: Tx, silence_id: int, now: datetime) -> None:
    tx.execute(
        "UPDATE narrow_silences SET silenced = silenced + 1, last_at = ? WHERE id = ?", (to_text(now), silence_id)
    )


def over(tx: Tx, since: datetime, now: datetime) -> list[Silence]:
    """Return those that held something back and have ended since then, or whose window is closed now."""
    found = _found(tx, "WHERE silenced > 0 AND ends_at >= ? ORDER BY +id", to_text(since))
    return [each for each in found if not each.holds(now)]


def newest(tx: Tx, limit: int) -> list[Silence]:
    return _found(tx, "ORDER BY id DESC LIMIT ?", limit)


def _found(tx: Tx, rest: str, *values: str | int) -> list[Silence]:
    if not has_table(tx, "narrow_silences"):
        return []
    return [silence for row in fetch(tx, f"{_SELECT} {rest}", values) for silence in _silence(row)]


def _silence(row: Row) -> Iterator[Silence]:
    """Yield it; nothing where its limits cannot be read, such as a zone that this machine lacks: alerts are sent."""
    silence_id, protocol, key, starts_at, ends_at, reason, created_by, silenced, severity, chain, hours, last_at = row
    try:
        yield Silence(
            silence_id, protocol, key, from_text(starts_at), from_text(ends_at), reason, created_by, silenced,
            Severity.parse(severity) if severity is not None else None, chain,
            SilenceWindow.parse(hours) if hours is not None else None, from_text(last_at) if last_at else None,
        )  # fmt: skip
    except (MonitoringError, ValueError) as error:
        log.warning("silence %s cannot be read, so it holds nothing back: %s", silence_id, error)
