"""`webhook_calls`: for which level of a condition a machine was called last, across profiles and processes."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from monitoring.base.clock import to_text
from monitoring.store.db.database import Tx
from monitoring.store.db.waits import believed


class WebhookCall(NamedTuple):
    """The last call for one identity."""

    severity_rank: int
    called_at: datetime


def get(tx: Tx, identity: str, now: datetime) -> WebhookCall | None:
    """Return the last call; none that lies in the future, for it would hold back a machine until then."""
    found = tx.execute("SELECT severity_rank, called_at FROM webhook_calls WHERE identity = ?", (identity,)).fetchone()
    called_at = believed(found[1], now, timedelta(0)) if found else None
    return WebhookCall(found[0], called_at) if found and called_at else None


def put(tx: Tx, identity: str, severity_rank: int, now: datetime) -> None:
    tx.execute(
        "INSERT INTO webhook_calls (identity, severity_rank, called_at) VALUES (?, ?, ?) "
        "ON CONFLICT DO UPDATE SET severity_rank = excluded.severity_rank, called_at = excluded.called_at",
        (identity, severity_rank, to_text(now)),
    )


def any_at_all(tx: Tx) -> bool:
    """Return whether a machine was ever called for a condition that is still known."""
    return bool(tx.execute("SELECT 1 FROM webhook_calls LIMIT 1").fetchall())
