"""`digests`: which tasks of a profile had failed at the last digest."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

import orjson

from monitoring.base.clock import from_text, to_text
from monitoring.store.db.database import Tx


class LastDigest(NamedTuple):
    """What the last digest that was sent said; an empty set means: all well again."""

    failing: tuple[str, ...]
    told_at: datetime
    alert_id: int


def get(tx: Tx, profile: str) -> LastDigest | None:
    found = tx.execute("SELECT failing_json, told_at, alert_id FROM digests WHERE profile = ?", (profile,)).fetchone()
    return LastDigest(tuple(orjson.loads(found[0])), from_text(found[1]), found[2]) if found else None


def put(tx: Tx, profile: str, failing: tuple[str, ...], now: datetime, alert_id: int) -> None:
    tx.execute(
        "INSERT INTO digests (profile, failing_json, told_at, alert_id) VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE "
        "SET failing_json = excluded.failing_json, told_at = excluded.told_at, alert_id = excluded.alert_id",
        (profile, orjson.dumps(failing).decode(), to_text(now), alert_id),
    )
