"""`alert_events` and `deliveries`: an alert and what is still to be sent of it are written in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from monitoring.base.clock import from_text, instant_or_none, to_text
from monitoring.store.db.database import Database, Row, Tx, fetch

SEVERITIES = ("LOW", "MEDIUM", "HIGH", "CRITICAL")


@dataclass(frozen=True, slots=True)
class NewAlert:
    """An alert about to be stored. `message` is the plain text the API shows, `body_json` the structured text."""

    protocol: str
    severity: str
    message: str
    title: str = ""
    channel: str = ""
    source: str = "protocol"
    kind: str = "alert"
    silent: bool = False
    body_json: str | None = None
    dedupe_key: str | None = None
    fingerprint: str | None = None
    metadata_json: str | None = None
    run_id: int | None = None
    task: str | None = None


@dataclass(frozen=True, slots=True)
class StoredAlert:
    """A row of `alert_events`; `severity` is none in some rows of the old system."""

    id: int
    created_at: datetime
    source: str
    protocol: str
    channel: str
    severity: str | None
    message: str
    title: str
    kind: str
    silent: bool
    delivery_status: str
    delivered_at: datetime | None
    delivery_error: str | None
    dedupe_key: str | None
    metadata_json: str | None
    body_json: str | None
    run_id: int | None
    task: str | None


_STORED = (
    "id, created_at, source, protocol, channel, severity, message, title, kind, silent, delivery_status, "
    "delivered_at, delivery_error, dedupe_key, metadata_json, body_json, run_id, task"
)


def insert(
    tx: Tx, alert: NewAlert, destinations: Sequence[str], now: datetime, *, status: str = "pending", route: str = ""
) -> int:
    """Store an alert with one delivery row per destination; return its id.

    `sort_at` never falls with the id, whatever the clock does: pages by time rely on it.
    `status` is the alert's own delivery status; delivery rows are made only for `pending`.
    `route` is the channel as it stands in the names of variables (AAVE); without one the default route is taken.
    """
    created_at = to_text(now)
    last = tx.execute("SELECT sort_at FROM alert_events ORDER BY id DESC LIMIT 1").fetchone()
    sort_at = max(created_at, last[0]) if last else created_at
    tx.execute(
        "INSERT INTO alert_events (created_at, source, protocol, channel, severity, message, plain_text, silent, "
        "delivery_status, dedupe_key, fingerprint, metadata_json, sort_at, kind, title, body_json, run_id, task) "
        "VALUES (?, ?, ?, ?, ?, ?, 1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            created_at, alert.source, alert.protocol, alert.channel, alert.severity, alert.message, int(alert.silent),
            status, alert.dedupe_key, alert.fingerprint, alert.metadata_json, sort_at, alert.kind, alert.title,
            alert.body_json, alert.run_id, alert.task,
        ),
    )  # fmt: skip
    alert_id = tx.last_insert_rowid()
    if status == "pending":
        add_deliveries(tx, alert_id, alert.severity, destinations, now, route=route)
    return alert_id


def add_deliveries(
    tx: Tx,
    alert_id: int,
    severity: str,
    destinations: Sequence[str],
    now: datetime,
    *,
    route: str,
    left_out: str | None = None,
) -> None:
    """Put an alert into the outbox once for each destination; `left_out` says why these are not to be tried."""
    at, rank = to_text(now), SEVERITIES.index(severity)
    status = "not_attempted" if left_out else "pending"
    tx.executemany(
        "INSERT INTO deliveries (alert_id, destination, channel, severity_rank, status, created_at, next_attempt_at, "
        "error) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [(alert_id, destination, route, rank, status, at, at, left_out) for destination in destinations],
    )


def get(tx: Tx, alert_id: int) -> StoredAlert | None:
    found = tx.execute(f"SELECT {_STORED} FROM alert_events WHERE id = ?", (alert_id,)).fetchone()  # noqa: S608
    return _stored(found) if found else None


def silenced(tx: Tx, key: str, since: datetime) -> list[StoredAlert]:
    """Return the alerts of this key that a silence holds back, stored since then, the oldest first."""
    found = fetch(
        tx,
        f"SELECT {_STORED} FROM alert_events WHERE dedupe_key = ? AND delivery_status = 'silenced' AND sort_at >= ? "  # noqa: S608
        "ORDER BY id",
        (key, to_text(since)),
    )
    return [_stored(row) for row in found]


def update_delivery_status(tx: Tx, alert_id: int, status: str, delivered_at: str | None, error: str | None) -> None:
    """Write what the deliveries of an alert amount to."""
    tx.execute(
        "UPDATE alert_events SET delivery_status = ?, delivered_at = ?, delivery_error = ? WHERE id = ? "
        "AND (delivery_status, delivered_at, delivery_error) IS NOT (?, ?, ?)",
        (status, delivered_at, error, alert_id, status, delivered_at, error),
    )


def _stored(row: Row) -> StoredAlert:
    alert_id, created_at, *middle, silent, status, delivered_at, error, dedupe, metadata, body, run_id, task = row
    source, protocol, channel, severity, message, title, kind = middle
    return StoredAlert(
        alert_id, from_text(created_at), source, protocol, channel, severity, message, title, kind, bool(silent),
        status, instant_or_none(delivered_at), error, dedupe, metadata, body, run_id, task,
    )  # fmt: skip


def channels_in_use(database: Database, since: datetime) -> list[tuple[str, str, str]]:
    """Return (channel, protocol, source) of every alert since then, each once."""
    found = database.rows(
        "SELECT DISTINCT channel, protocol, source FROM alert_events WHERE created_at >= ? ORDER BY 1, 2, 3",
        (to_text(since),),
    )
    return [(row[0], row[1], row[2]) for row in found]
