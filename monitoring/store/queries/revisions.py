"""When a profile ran another revision than before: the deploys that a chart marks."""

from __future__ import annotations

from datetime import datetime

from monitoring.base.clock import from_text, to_text
from monitoring.store.db.database import Database

_MOST_RUNS = 3000  # ours: 90 days of an hourly profile, a few milliseconds


def changes(database: Database, profile: str, since: datetime, until: datetime) -> list[tuple[datetime, str]]:
    """Return (when, revision) of each first run of another revision within [since, until], the oldest first.

    The newest runs are looked at, `_MOST_RUNS` at most, and the last one before.
    """
    first = database.rows("SELECT id FROM runs WHERE started_at >= ? ORDER BY started_at LIMIT 1", (to_text(since),))
    if not first:
        return []
    rows = database.rows(
        "SELECT started_at, revision FROM runs INDEXED BY run_profile WHERE profile = ? AND id >= ? ORDER BY id DESC "
        "LIMIT ?",
        (profile, first[0][0], _MOST_RUNS),
    )
    before = database.rows(
        "SELECT revision FROM runs INDEXED BY run_profile WHERE profile = ? AND id < ? ORDER BY id DESC LIMIT 1",
        (profile, first[0][0]),
    )
    known = before[0][0] if before else ""
    found: list[tuple[datetime, str]] = []
    for started_at, revision in reversed(rows):
        if not revision:
            continue
        if known and revision != known and since <= (at := from_text(started_at)) <= until:
            found.append((at, revision))
        known = revision
    return found
