"""`chain_memory`: what is worth remembering of chains between runs, by kind and key."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta

from monitoring.base.clock import from_text, to_text
from monitoring.store.db.database import Database, Tx, fetch

SHAPE = "shape"  # by monitor: what is known of the answers of its sources
HELD = "log_ranges"  # by hour and chain: how many ranges of logs were held against something else, and what came of it
_COUNTED_FOR = timedelta(days=90)

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


def count(tx: Tx, kind: str, name: str, numbers: Mapping[str, int], now: datetime) -> None:
    """Add numbers to those of this hour, by name; what is older than the longest audit anybody asks for goes."""
    key = f"{_hour(now)} {name}"
    known = fetch(tx, "SELECT value FROM chain_memory WHERE kind = ? AND key = ?", (kind, key))
    put(tx, kind, key, json.dumps(_numbers(known[0][0] if known else "") + Counter(numbers), sort_keys=True), now)
    tx.execute("DELETE FROM chain_memory WHERE kind = ? AND key < ?", (kind, _hour(now - _COUNTED_FOR)))


def counted(
    database: Database, kind: str, since: datetime, until: datetime
) -> list[tuple[datetime, datetime, str, Counter[str]]]:
    """Return (hour, last counted at, name, numbers) of every hour that touches [since, until), the oldest first."""
    found = database.rows(
        "SELECT key, updated_at, value FROM chain_memory WHERE kind = ? AND key >= ? AND key < ? ORDER BY key",
        (kind, _hour(since), _hour(until - timedelta(microseconds=1)) + "!"),  # behind the space before a name
    )
    return [
        (from_text(f"{hour}:00:00Z"), from_text(at), name, _numbers(text))
        for key, at, text in found
        for hour, _, name in [key.partition(" ")]
    ]


def _hour(at: datetime) -> str:
    return to_text(at)[: len("2026-11-29T17")]


def _numbers(text: str) -> Counter[str]:
    """Read numbers by name; what is damaged counts as none."""
    try:
        return Counter({str(name): int(number) for name, number in json.loads(text or "{}").items()})
    except (ValueError, TypeError, AttributeError):
        return Counter()
