"""`alert_events` and `deliveries`: an alert and what is still to be sent of it are written in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from monitoring.clock import to_text
from monitoring.store.database import Tx

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


def insert(tx: Tx, alert: NewAlert, destinations: Sequence[str], now: datetime, *, status: str = "pending") -> int:
    """Store an alert with one delivery row per destination; return its id.

    `sort_at` never falls with the id, whatever the clock does: pages by time rely on it.
    `status` is the alert's own delivery status; delivery rows are made only for `pending`.
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
        rank = SEVERITIES.index(alert.severity)
        tx.executemany(
            "INSERT INTO deliveries (alert_id, destination, severity_rank, created_at, next_attempt_at) "
            "VALUES (?, ?, ?, ?, ?)",
            [(alert_id, destination, rank, created_at, created_at) for destination in destinations],
        )
    return alert_id
