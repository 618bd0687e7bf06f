"""The outbox: what is still to be sent, where, and in which order. Every change of a row is compare-and-set.

States: pending -> delivered | skipped_debug | not_attempted; pending <-> skipped_missing_credentials; either -> failed,
but only by a person's word or by age: what a destination answers never ends a delivery.
Only `monitoring.alerts` calls this.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from monitoring.base.clock import to_text
from monitoring.store.db.database import Database, Tx, fetch
from monitoring.store.db.waits import LEASE, holds, span
from monitoring.store.tables import alerts

Status = Literal[
    "pending", "delivered", "failed", "skipped_debug", "skipped_missing_credentials", "silenced", "not_attempted"
]
# As it stands in the partial index: a query that says it otherwise reads the whole table.
OPEN = "status IN ('pending', 'skipped_missing_credentials')"
WAITING = f"{OPEN} AND folded_into IS NULL"
_DECIDING: tuple[Status, ...] = ("delivered", "pending", "failed")
# All destinations other than Telegram and the webhook, until the delivery loop splits it up.
PLACEHOLDER = "notify"


@dataclass(frozen=True, slots=True)
class EndedDelivery:
    """How one delivery of an alert stands, as far as the alert's own status depends on it."""

    destination: str
    status: Status
    delivered_at: str | None
    error: str | None


@dataclass(frozen=True, slots=True)
class Own:
    """What one process raised: the alerts of its run; by hand those of no run, since it began."""

    run_id: int | None
    since: datetime


def part_sent(tx: Tx, delivery_id: int, owner: str, parts_sent: int, now: datetime) -> None:
    """Note that a message is sent up to here; the delivery goes back in line for its next part."""
    tx.execute(
        "UPDATE deliveries SET parts_sent = max(parts_sent, ?), attempts = 0, next_attempt_at = ?, "  # noqa: S608
        f"lease_owner = NULL, lease_until = NULL, error = NULL WHERE id = ? AND lease_owner = ? AND {OPEN}",
        (parts_sent, to_text(now), delivery_id, owner),
    )


def renew(tx: Tx, delivery_id: int, owner: str, parts_sent: int, until: datetime) -> None:
    """Note that a message is sent up to here, and keep it."""
    tx.execute(
        "UPDATE deliveries SET parts_sent = max(parts_sent, ?), lease_until = ? "  # noqa: S608
        f"WHERE id = ? AND lease_owner = ? AND {OPEN}",
        (parts_sent, to_text(until), delivery_id, owner),
    )


def finish(
    tx: Tx,
    delivery_id: int,
    status: Status,
    now: datetime,
    *,
    error: str | None = None,
    receipt: dict[str, object] | None = None,
) -> list[int]:
    """End a delivery, and those folded into it; return the alerts concerned (none: it had ended already).

    What was sent is written as sent even if the lease was lost or it was given up meanwhile: that is the truth.
    """
    is_open = f"({OPEN} OR status = 'failed')" if status == "delivered" else OPEN
    delivered_at = to_text(now) if status == "delivered" else None
    kept = json.dumps(receipt, separators=(",", ":"), ensure_ascii=False) if receipt else None
    ended = fetch(
        tx,
        "UPDATE deliveries SET status = ?, delivered_at = ?, error = ?, lease_owner = NULL, lease_until = NULL, "  # noqa: S608
        f"receipt_json = ? WHERE {is_open} AND (id = ? OR folded_into = ?) RETURNING alert_id",
        (
            status,
            delivered_at,
            error,
            kept,
            delivery_id,
            delivery_id,
        ),
    )
    return [row[0] for row in ended]


def postpone(
    tx: Tx, delivery_id: int, owner: str, *, status: Status, next_attempt_at: datetime, error: str | None
) -> list[int]:
    """Give a delivery back to the line after a failed attempt; return the alerts concerned."""
    tx.execute(
        "UPDATE deliveries SET next_attempt_at = ?, lease_owner = NULL, lease_until = NULL "  # noqa: S608
        f"WHERE id = ? AND lease_owner = ? AND {OPEN}",
        (to_text(next_attempt_at), delivery_id, owner),
    )
    if tx.changes() == 0:
        return []
    changed = fetch(
        tx,
        f"UPDATE deliveries SET status = ?, error = ? WHERE (id = ? OR folded_into = ?) AND {OPEN} RETURNING alert_id",  # noqa: S608
        (status, error, delivery_id, delivery_id),
    )
    return [row[0] for row in changed]


def split_placeholder(tx: Tx, channel: str, destinations: Sequence[str], own: Own | None = None) -> list[int]:
    """Put one delivery for each destination in the place of the channel's placeholders; return the alerts."""
    theirs, values = only(own)
    for destination in destinations:
        tx.execute(
            "INSERT OR IGNORE INTO deliveries (alert_id, destination, channel, severity_rank, created_at, "  # noqa: S608
            "next_attempt_at) SELECT alert_id, ?, channel, severity_rank, created_at, next_attempt_at FROM deliveries "
            f"WHERE {WAITING} AND destination = ? AND channel = ? {theirs} ORDER BY id",
            (destination, PLACEHOLDER, channel, *values),
        )
    gone = fetch(
        tx,
        f"DELETE FROM deliveries WHERE {WAITING} AND destination = ? AND channel = ? {theirs} RETURNING alert_id",  # noqa: S608
        (PLACEHOLDER, channel, *values),
    )
    return [row[0] for row in gone]


def finish_group(
    tx: Tx, destination: str, channel: str, status: Status, error: str, now: datetime, *, own: Own | None = None
) -> list[int]:
    """End, or mark as waiting for credentials, everything of a channel that cannot be sent; return the alerts.

    With `own` only what that process raised. A row that somebody is sending is left alone.
    """
    theirs, values = only(own)
    changed = fetch(
        tx,
        f"UPDATE deliveries SET status = ?, error = ? WHERE {WAITING} AND destination = ? AND channel = ? "  # noqa: S608
        f"AND status != ? AND NOT {holds('lease_until')} {theirs} RETURNING alert_id",
        [status, error, destination, channel, status, *span(now, LEASE), *values],
    )
    return [row[0] for row in changed]


def explain_group(
    tx: Tx, destination: str, channel: str, error: str, now: datetime, *, own: Own | None = None
) -> list[int]:
    """Write why a channel's deliveries wait to those that nobody is sending; return the alerts."""
    theirs, values = only(own)
    changed = fetch(
        tx,
        f"UPDATE deliveries SET error = ? WHERE {WAITING} AND destination = ? AND channel = ? "  # noqa: S608
        f"AND NOT {holds('lease_until')} AND error IS NOT ? {theirs} RETURNING alert_id",
        (error, destination, channel, *span(now, LEASE), error, *values),
    )
    return [row[0] for row in changed]


def make_due(tx: Tx, now: datetime) -> None:
    """Let everything that waits be tried at once."""
    tx.execute(f"UPDATE deliveries SET next_attempt_at = ? WHERE {OPEN}", (to_text(now),))  # noqa: S608


def open_of_alert(tx: Tx, alert_id: int) -> list[int]:
    """Return the deliveries of an alert that have not ended."""
    return [row[0] for row in fetch(tx, f"SELECT id FROM deliveries WHERE alert_id = ? AND {OPEN}", (alert_id,))]  # noqa: S608


def waiting_since_before(tx: Tx, before: datetime, now: datetime, *, rank_below: int, limit: int) -> list[int]:
    """Return the deliveries up to a severity that wait since before an instant, those being sent left out."""
    found = fetch(
        tx,
        f"SELECT id FROM deliveries WHERE {OPEN} AND severity_rank < ? AND NOT {holds('lease_until')} "  # noqa: S608
        "AND created_at < ? AND created_at GLOB '20??-*' ORDER BY id LIMIT ?",
        (rank_below, *span(now, LEASE), to_text(before), limit),
    )
    return [row[0] for row in found]


def unfold(tx: Tx, leader_id: int) -> None:
    """Let each of those that the message of this delivery stood for wait by itself again."""
    tx.execute(f"UPDATE deliveries SET folded_into = NULL WHERE folded_into = ? AND {OPEN}", (leader_id,))  # noqa: S608


def give_up(tx: Tx, delivery_id: int, why: str) -> int | None:
    """End a delivery undelivered, keeping what it last failed of; return its alert, none if it had ended already."""
    unfold(tx, delivery_id)
    given_up = fetch(
        tx,
        "UPDATE deliveries SET status = 'failed', folded_into = NULL, lease_owner = NULL, lease_until = NULL, "  # noqa: S608
        f"error = ? || coalesce('; last: ' || error, '') WHERE id = ? AND {OPEN} RETURNING alert_id",
        (why, delivery_id),
    )
    return given_up[0][0] if given_up else None


def has_pending(tx: Tx, destination: str, channel: str, own: Own | None = None) -> bool:
    """Return whether anything of a group is still pending and not yet marked as waiting for credentials."""
    theirs, values = only(own)
    found = tx.execute(
        f"SELECT 1 FROM deliveries WHERE {WAITING} AND destination = ? AND channel = ? "  # noqa: S608
        f"AND status = 'pending' {theirs} LIMIT 1",
        (destination, channel, *values),
    ).fetchone()
    return found is not None


def of_alert(tx: Tx, alert_id: int) -> list[EndedDelivery]:
    found = fetch(tx, "SELECT destination, status, delivered_at, error FROM deliveries WHERE alert_id = ?", (alert_id,))
    return [EndedDelivery(*row) for row in found]


def why_waiting(database: Database) -> list[tuple[str, str, str, str | None, int]]:
    """Return (destination, channel, status, last error, count) of everything that has not ended."""
    found = database.rows(
        f"SELECT destination, channel, status, max(error), count(*) FROM deliveries WHERE {OPEN} "  # noqa: S608
        "GROUP BY destination, channel, status ORDER BY max(severity_rank) DESC, min(id)"
    )
    return [(row[0], row[1], row[2], row[3], row[4]) for row in found]


def count_waiting(tx: Tx) -> int:
    """Count the deliveries that have not ended."""
    found = tx.execute(f"SELECT count(*) FROM deliveries WHERE {OPEN}").fetchone()  # noqa: S608
    return int(found[0]) if found else 0


def count_waiting_alerts(tx: Tx) -> int:
    """Count the alerts of which a delivery has not ended, each once."""
    found = tx.execute(f"SELECT count(DISTINCT alert_id) FROM deliveries WHERE {OPEN}").fetchone()  # noqa: S608
    return int(found[0]) if found else 0


def refresh_alerts(tx: Tx, alert_ids: Iterable[int]) -> None:
    """Bring the alerts' own status up to date with their deliveries; belongs into the same transaction."""
    for alert_id in dict.fromkeys(alert_ids):
        status, delivered_at, error = overall(of_alert(tx, alert_id))
        alerts.update_delivery_status(tx, alert_id, status, delivered_at, error)


def overall(ended: Sequence[EndedDelivery]) -> tuple[Status, str | None, str | None]:
    """Return what the deliveries of an alert amount to: (status, delivered_at, error).

    The chat decides. Where none is configured, another destination that people read counts in its place; a machine
    that was called (`webhook`) never does.
    """
    chat = next((each for each in ended if each.destination == "telegram"), None)
    if chat and chat.status not in ("skipped_missing_credentials", "not_attempted"):
        return chat.status, chat.delivered_at, chat.error
    deciding: tuple[Status, ...] = (
        ("delivered",) if chat and chat.status == "skipped_missing_credentials" else _DECIDING
    )
    for status in deciding:
        for other in ended:
            if other.status == status and other.destination not in ("telegram", "webhook"):
                return other.status, other.delivered_at, other.error
    return (chat.status, None, chat.error) if chat else ("not_attempted", None, None)


def only(own: Own | None) -> tuple[str, list[int | str]]:
    """Return the SQL that keeps to what a process raised, and its parameters; none: whosever it is."""
    if own is None:
        return "", []
    if own.run_id is not None:
        return "AND alert_id IN (SELECT id FROM alert_events WHERE run_id = ?)", [own.run_id]
    return "AND alert_id IN (SELECT id FROM alert_events WHERE run_id IS NULL AND created_at >= ?)", [
        to_text(own.since)
    ]
