"""`monitor_state`: what scripts remember, by (namespace, key). The namespace is a cache file's basename."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import NamedTuple

from monitoring.base.clock import instant_or_none, to_text
from monitoring.store.db.database import Database, Tx


class StoredValue(NamedTuple):
    """A value and when it was last written: at the beginning of time where the replaced system left no instant."""

    value: str
    updated_at: datetime


_UNKNOWN = datetime.min.replace(tzinfo=UTC)
_INSERT = "INSERT INTO monitor_state (namespace, key, value, updated_at) VALUES (?, ?, ?, ?)"


def get(database: Database, namespace: str, key: str) -> StoredValue | None:
    found = database.row(
        "SELECT value, updated_at FROM monitor_state WHERE namespace = ? AND key = ?", (namespace, key)
    )
    return StoredValue(found[0], instant_or_none(found[1]) or _UNKNOWN) if found else None


def last_written(database: Database, namespace: str) -> datetime:
    """Return when anything was written there: at the beginning of time where that is not known."""
    found = database.row("SELECT MAX(updated_at) FROM monitor_state WHERE namespace = ?", (namespace,))
    return (instant_or_none(found[0]) if found and found[0] else None) or _UNKNOWN


def put(tx: Tx, namespace: str, key: str, value: str, now: datetime) -> None:
    tx.execute(
        f"{_INSERT} ON CONFLICT DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at",
        (namespace, key, value, to_text(now)),
    )


def put_if_absent(tx: Tx, namespace: str, key: str, value: str, now: datetime) -> bool:
    """Write the value unless the key has one; return whether it was written."""
    tx.execute(f"{_INSERT} ON CONFLICT DO NOTHING", (namespace, key, value, to_text(now)))
    return tx.changes() == 1


def forget(tx: Tx, namespace: str, key: str) -> bool:
    """Delete one key; return whether it was there."""
    tx.execute("DELETE FROM monitor_state WHERE namespace = ? AND key = ?", (namespace, key))
    return tx.changes() == 1


def keys(database: Database, namespace: str) -> list[str]:
    return [
        row[0] for row in database.rows("SELECT key FROM monitor_state WHERE namespace = ? ORDER BY key", (namespace,))
    ]


def everything(database: Database) -> Iterable[tuple[str, str, str]]:
    """Return all (namespace, key, value), in order."""
    return database.rows("SELECT namespace, key, value FROM monitor_state ORDER BY namespace, key")


def newest_of(database: Database, namespace: str) -> str:
    """Return when a value of the namespace was written last, as it stands there; nothing if there is none."""
    [(newest,)] = database.rows("SELECT max(updated_at) FROM monitor_state WHERE namespace = ?", (namespace,))
    return str(newest or "")
