"""The first day of a database: when it began, and what is held back meanwhile, kept in `monitor_state`."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path

from monitoring.base.clock import instant_or_none, to_text
from monitoring.conditions.condition import ConditionKey
from monitoring.store.db.database import Database, Tx
from monitoring.store.tables import state

KEY = ConditionKey("automation", "first-day")  # of the one message about all that is held back
_NAMESPACE, _REPORTED = "first-day", "first-day-reported"
_LENGTH = timedelta(days=1)
# What is left of a database that was here before this one.
_KEPT = ("damaged-*", "replaced-*")


def ends_at(tx: Tx, now: datetime) -> datetime | None:
    """Return when the first day ends; none if it is over, has not begun, or this database follows an older one.

    It begins with the oldest run. Of a restored or adopted database some row is older than a day; next to one that
    replaced a damaged one lies the damaged one.
    """
    row = tx.execute("SELECT min(started_at) FROM runs").fetchone()
    begun_at = instant_or_none(row[0]) if row and row[0] else None
    if begun_at is None or not begun_at <= now < begun_at + _LENGTH:
        return None
    older = "SELECT EXISTS (SELECT 1 FROM alert_events WHERE created_at > '2000' AND created_at < ?)"
    [[is_older]] = tx.execute(older, (to_text(begun_at - _LENGTH),)).fetchall()
    return None if is_older or _follows_another(tx) else begun_at + _LENGTH


def _follows_another(tx: Tx) -> bool:
    [[path]] = tx.execute("SELECT file FROM pragma_database_list WHERE name = 'main'").fetchall()
    database = Path(str(path))
    return any(next(database.parent.glob(f"{database.name}.{kept}"), None) for kept in _KEPT)


def hold(tx: Tx, key: str, text: str, now: datetime) -> None:
    """Keep a finding in words, for the one message about all of them."""
    state.put(tx, _NAMESPACE, key, text, now)


def let_go(tx: Tx, key: str) -> None:
    state.forget(tx, _NAMESPACE, key)
    state.forget(tx, _REPORTED, key)


def mark_reported(tx: Tx, keys: Iterable[str], now: datetime) -> None:
    """Remember that the message about all of them named these."""
    for key in keys:
        state.put(tx, _REPORTED, key, "", now)


def reported(database: Database) -> set[str]:
    return set(state.keys(database, _REPORTED))


def held(database: Database) -> dict[str, str]:
    """Return the words of each finding that is held back, by its key."""
    found = database.rows("SELECT key, value FROM monitor_state WHERE namespace = ? ORDER BY key", (_NAMESPACE,))
    return {str(key): str(value) for key, value in found}
