"""`blind_spells`: when checks could not see, after they can again."""

from __future__ import annotations

from datetime import datetime

from monitoring.base.clock import from_text, to_text
from monitoring.store.db.database import Database, Tx


def insert(tx: Tx, source: str, since: datetime, until: datetime, checks: int) -> None:
    """Keep a spell; what ended by one source at one instant is one."""
    begun, ended = to_text(since), to_text(until)
    tx.execute(
        "UPDATE blind_spells SET since = min(since, ?), checks = checks + ? WHERE until = ? AND source = ?",
        (begun, checks, ended, source),
    )
    if not tx.changes():
        tx.execute(
            "INSERT INTO blind_spells (source, since, until, checks) VALUES (?, ?, ?, ?)",
            (source, begun, ended, checks),
        )


def between(database: Database, since: datetime, until: datetime) -> list[tuple[str, datetime, datetime, int]]:
    """Return (source, since, until, checks) of those that held within [since, until)."""
    found = database.rows(
        # With a plus, so that the index of ends is used and not the order of the table, which grows.
        "SELECT source, since, until, checks FROM blind_spells WHERE until > ? AND since < ? ORDER BY +id",
        (to_text(since), to_text(until)),
    )
    return [(source, from_text(begun), from_text(ended), checks) for source, begun, ended, checks in found]
