"""`chain_memory`: what is worth remembering of chains between runs, by kind and key."""

from __future__ import annotations

from datetime import datetime

from monitoring.base.clock import from_text, to_text
from monitoring.store.db.database import Database, Tx

SHAPE = "shape"  # by monitor: what is known of the answers of its sources

_PUT = (
    "INSERT INTO chain_memory (kind, key, value, updated_at) VALUES (?, ?, ?, ?) "
    "ON CONFLICT DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at"
)


def get(database: Database, kind: str, key: str) -> tuple[str, datetime] | None:
    """Return the text and when it was written."""
    found = database.row("SELECT value, updated_at FROM chain_memory WHERE kind = ? AND key = ?", (kind, key))
    return (found[0], from_text(found[1])) if found else None


def of_kind(database: Database, kind: str) -> dict[str, str]:
    """Return all texts of a kind by key."""
    return dict(database.rows("SELECT key, value FROM chain_memory WHERE kind = ? ORDER BY key", (kind,)))


def put(tx: Tx, kind: str, key: str, value: str, now: datetime) -> None:
    tx.execute(_PUT, (kind, key, value, to_text(now)))


def advance(tx: Tx, kind: str, key: str, number: int, now: datetime, forget_before: datetime) -> None:
    """Raise a number that never falls, except in place of one written before `forget_before`."""
    tx.execute(
        f"{_PUT} WHERE CAST(value AS INTEGER) <= CAST(excluded.value AS INTEGER) OR updated_at < ?",
        (kind, key, str(number), to_text(now), to_text(forget_before)),
    )
