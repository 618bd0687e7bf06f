"""The outbox: what is still to be sent, where, and in which order. Every change of a row is compare-and-set.

States: pending -> delivered | failed | skipped_debug | not_attempted; pending <-> skipped_missing_credentials.
Only `monitoring.alerts` calls this.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import orjson

from monitoring.clock import from_text, to_text
from monitoring.store import alerts
from monitoring.store.database import Database, Row, Tx, fetch

Status = Literal[
    "pending", "delivered", "failed", "skipped_debug", "skipped_missing_credentials", "silenced", "not_attempted"
]
# As it stands in the partial index: a query that says it otherwise reads the whole table.
_OPEN = "status IN ('pending', 'skipped_missing_credentials')"
_WAITING = f"{_OPEN} AND folded_into IS NULL"
_TELLING: tuple[Status, ...] = ("delivered", "pending", "failed")
# Stands for every destination beside Telegram and the webhook until somebody who knows them splits it up.
PLACEHOLDER = "notify"
_COLUMNS = (
    "id, alert_id, destination, channel, severity_rank, status, created_at, next_attempt_at, attempts, lease_owner, "
    "lease_until, parts_sent"
)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A delivery that has not ended."""

    id: int
    alert_id: int
    destination: str
    channel: str
    severity_rank: int
    status: Status
    created_at: datetime
    next_attempt_at: datetime
    attempts: int
    lease_owner: str | None
    lease_until: datetime | None
    parts_sent: int


@dataclass(frozen=True, slots=True)
class Group:
    """All that waits for one destination and channel: how many, the worst of them, the first of them."""

    destination: str
    channel: str
    count: int
    worst_rank: int
    first_id: int


@dataclass(frozen=True, slots=True)
class Ended:
    """How one delivery of an alert stands, as far as the alert's own status depends on it."""

    destination: str
    status: Status
    delivered_at: str | None
    error: str | None


def groups(tx: Tx) -> list[Group]:
    """Return what waits, by destination and channel; reads only the index of waiting rows."""
    found = fetch(
        tx,
        "SELECT destination, channel, count(*), max(severity_rank), min(id) FROM deliveries "  # noqa: S608
        f"WHERE {_WAITING} GROUP BY destination, channel",
    )
    return [Group(*row) for row in found]


def head(
    tx: Tx, destination: str, channels: Sequence[str], *, severity_rank: int, now: datetime, aside_after: int
) -> Waiting | None:
    """Return the first delivery in line; one tried `aside_after` times lets others pass until it is due again."""
    found = tx.execute(
        f"SELECT {_COLUMNS} FROM deliveries WHERE {_WAITING} AND destination = ? AND severity_rank = ? "  # noqa: S608
        f"AND channel IN ({_marks(channels)}) AND (attempts < ? OR next_attempt_at <= ?) ORDER BY id LIMIT 1",
        (destination, severity_rank, *channels, aside_after, to_text(now)),
    ).fetchone()
    return _waiting(found) if found else None


def count_of_rank(tx: Tx, destination: str, channels: Sequence[str], severity_rank: int, limit: int) -> int:
    """Count the waiting deliveries of one severity, up to `limit`."""
    found = tx.execute(
        f"SELECT count(*) FROM (SELECT 1 FROM deliveries WHERE {_WAITING} AND destination = ? "  # noqa: S608
        f"AND severity_rank = ? AND channel IN ({_marks(channels)}) LIMIT ?)",
        (destination, severity_rank, *channels, limit),
    ).fetchone()
    return int(found[0]) if found else 0


def foldable(
    tx: Tx, destination: str, channels: Sequence[str], now: datetime, limit: int, *, severity_rank: int
) -> list[Waiting]:
    """Return the untouched waiting deliveries of one severity that nobody is sending, in order."""
    return _untouched(tx, destination, channels, now, limit, more="severity_rank = ?", values=[severity_rank])


def waited_since_before(
    tx: Tx, destination: str, channels: Sequence[str], now: datetime, limit: int, *, before: datetime
) -> list[Waiting]:
    """Return the deliveries, of any severity, that have lacked credentials since before an instant."""
    condition = "status = 'skipped_missing_credentials' AND created_at < ?"
    return _untouched(tx, destination, channels, now, limit, more=condition, values=[to_text(before)])


def _untouched(
    tx: Tx, destination: str, channels: Sequence[str], now: datetime, limit: int, *, more: str, values: list[str | int]
) -> list[Waiting]:
    found = fetch(
        tx,
        f"SELECT {_COLUMNS} FROM deliveries WHERE {_WAITING} AND destination = ? "  # noqa: S608 - names of our own
        f"AND channel IN ({_marks(channels)}) AND parts_sent = 0 AND (lease_until IS NULL OR lease_until <= ?) "
        f"AND {more} ORDER BY id LIMIT ?",
        [destination, *channels, to_text(now), *values, limit],
    )
    return [_waiting(row) for row in found]


def claim(tx: Tx, delivery_id: int, owner: str, now: datetime, until: datetime) -> bool:
    """Take one delivery for sending; False if somebody else has it or it has ended."""
    tx.execute(
        "UPDATE deliveries SET lease_owner = ?, lease_until = ?, attempts = attempts + 1 "  # noqa: S608
        f"WHERE id = ? AND {_OPEN} AND (lease_until IS NULL OR lease_until <= ?)",
        (owner, to_text(until), delivery_id, to_text(now)),
    )
    return tx.changes() == 1


def fold(tx: Tx, leader_id: int, member_ids: Iterable[int]) -> None:
    """Let the message of one delivery stand for the others too."""
    tx.executemany(
        f"UPDATE deliveries SET folded_into = ? WHERE id = ? AND {_WAITING}",  # noqa: S608
        [(leader_id, member_id) for member_id in member_ids if member_id != leader_id],
    )


def folded_alert_ids(tx: Tx, leader_id: int) -> list[int]:
    """Return the alerts that the message of this delivery stands for, itself not among them."""
    return [
        row[0] for row in fetch(tx, "SELECT alert_id FROM deliveries WHERE folded_into = ? ORDER BY id", (leader_id,))
    ]


def part_sent(tx: Tx, delivery_id: int, owner: str, parts_sent: int, now: datetime) -> None:
    """Note that a message is sent up to here; the delivery goes back in line for its next part."""
    tx.execute(
        "UPDATE deliveries SET parts_sent = max(parts_sent, ?), attempts = 0, next_attempt_at = ?, "  # noqa: S608
        f"lease_owner = NULL, lease_until = NULL, error = NULL WHERE id = ? AND lease_owner = ? AND {_OPEN}",
        (parts_sent, to_text(now), delivery_id, owner),
    )


def is_here(tx: Tx, delivery: Waiting) -> bool:
    """Tell whether the row of this id is still this delivery: another file may lie at the path by now."""
    found = tx.execute(
        "SELECT 1 FROM deliveries WHERE id = ? AND alert_id = ? AND created_at = ?",
        (delivery.id, delivery.alert_id, to_text(delivery.created_at)),
    )
    return found.fetchone() is not None


def renew(tx: Tx, delivery_id: int, owner: str, parts_sent: int, until: datetime) -> None:
    """Note that a message is sent up to here, and keep it."""
    tx.execute(
        "UPDATE deliveries SET parts_sent = max(parts_sent, ?), lease_until = ? "  # noqa: S608
        f"WHERE id = ? AND lease_owner = ? AND {_OPEN}",
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

    What was sent is written as sent even if the lease was lost meanwhile: that saves a duplicate.
    """
    delivered_at = to_text(now) if status == "delivered" else None
    ended = fetch(
        tx,
        "UPDATE deliveries SET status = ?, delivered_at = ?, error = ?, lease_owner = NULL, lease_until = NULL, "  # noqa: S608
        f"receipt_json = ? WHERE {_OPEN} AND (id = ? OR folded_into = ?) RETURNING alert_id",
        (status, delivered_at, error, orjson.dumps(receipt).decode() if receipt else None, delivery_id, delivery_id),
    )
    return [row[0] for row in ended]


def postpone(
    tx: Tx, delivery_id: int, owner: str, *, status: Status, next_attempt_at: datetime, error: str | None
) -> list[int]:
    """Give a delivery back to the line after a failed attempt; return the alerts concerned."""
    tx.execute(
        "UPDATE deliveries SET next_attempt_at = ?, lease_owner = NULL, lease_until = NULL "  # noqa: S608
        f"WHERE id = ? AND lease_owner = ? AND {_OPEN}",
        (to_text(next_attempt_at), delivery_id, owner),
    )
    if tx.changes() == 0:
        return []
    changed = fetch(
        tx,
        f"UPDATE deliveries SET status = ?, error = ? WHERE (id = ? OR folded_into = ?) AND {_OPEN} RETURNING alert_id",  # noqa: S608
        (status, error, delivery_id, delivery_id),
    )
    return [row[0] for row in changed]


def split_placeholder(tx: Tx, channel: str, destinations: Sequence[str]) -> list[int]:
    """Put one delivery for each destination in the place of the channel's placeholders; return the alerts."""
    for destination in destinations:
        tx.execute(
            "INSERT OR IGNORE INTO deliveries (alert_id, destination, channel, severity_rank, created_at, "  # noqa: S608
            "next_attempt_at) SELECT alert_id, ?, channel, severity_rank, created_at, next_attempt_at FROM deliveries "
            f"WHERE {_WAITING} AND destination = ? AND channel = ? ORDER BY id",
            (destination, PLACEHOLDER, channel),
        )
    gone = fetch(
        tx,
        f"DELETE FROM deliveries WHERE {_WAITING} AND destination = ? AND channel = ? RETURNING alert_id",  # noqa: S608
        (PLACEHOLDER, channel),
    )
    return [row[0] for row in gone]


def finish_group(
    tx: Tx, destination: str, channel: str, status: Status, error: str, *, run_id: int | None = None
) -> list[int]:
    """End, or mark as waiting for credentials, everything of a channel that cannot be sent; return the alerts.

    With `run_id` only what that run raised. A row that somebody is sending is left alone.
    """
    of_run = "AND alert_id IN (SELECT id FROM alert_events WHERE run_id = ?)" if run_id is not None else ""
    changed = fetch(
        tx,
        f"UPDATE deliveries SET status = ?, error = ? WHERE {_WAITING} AND destination = ? AND channel = ? "  # noqa: S608
        f"AND status != ? AND lease_owner IS NULL {of_run} RETURNING alert_id",
        [status, error, destination, channel, status, *([run_id] if run_id is not None else [])],
    )
    return [row[0] for row in changed]


def has_pending(tx: Tx, destination: str, channel: str) -> bool:
    """Tell whether anything of a group is still pending and not yet marked as waiting for credentials."""
    found = tx.execute(
        f"SELECT 1 FROM deliveries WHERE {_WAITING} AND destination = ? AND channel = ? AND status = 'pending' LIMIT 1",  # noqa: S608
        (destination, channel),
    ).fetchone()
    return found is not None


def of_alert(tx: Tx, alert_id: int) -> list[Ended]:
    found = fetch(tx, "SELECT destination, status, delivered_at, error FROM deliveries WHERE alert_id = ?", (alert_id,))
    return [Ended(*row) for row in found]


def waiting(database: Database, limit: int = 1000) -> list[Waiting]:
    """Return what has not ended, folded ones included, in the order of sending."""
    found = database.rows(
        f"SELECT {_COLUMNS} FROM deliveries WHERE {_OPEN} ORDER BY severity_rank DESC, id LIMIT ?",  # noqa: S608
        (limit,),
    )
    return [_waiting(row) for row in found]


def why_waiting(database: Database) -> list[tuple[str, str, str, str | None, int]]:
    """Return (destination, channel, status, last error, count) of everything that has not ended."""
    found = database.rows(
        f"SELECT destination, channel, status, max(error), count(*) FROM deliveries WHERE {_OPEN} "  # noqa: S608
        "GROUP BY destination, channel, status ORDER BY max(severity_rank) DESC, min(id)"
    )
    return [(row[0], row[1], row[2], row[3], row[4]) for row in found]


def count_waiting(tx: Tx) -> int:
    """Count the deliveries that have not ended."""
    found = tx.execute(f"SELECT count(*) FROM deliveries WHERE {_OPEN}").fetchone()  # noqa: S608
    return int(found[0]) if found else 0


def refresh_alerts(tx: Tx, alert_ids: Iterable[int]) -> None:
    """Bring the alerts' own status up to date with their deliveries; belongs into the same transaction."""
    for alert_id in dict.fromkeys(alert_ids):
        status, delivered_at, error = overall(of_alert(tx, alert_id))
        alerts.update_delivery_status(tx, alert_id, status, delivered_at, error)


def overall(ended: Sequence[Ended]) -> tuple[Status, str | None, str | None]:
    """Return what the deliveries of an alert amount to: (status, delivered_at, error).

    The chat decides. Where none is configured, another destination that people read counts in its place; a machine
    that was called (`webhook`) never does.
    """
    chat = next((each for each in ended if each.destination == "telegram"), None)
    if chat and chat.status not in ("skipped_missing_credentials", "not_attempted"):
        return chat.status, chat.delivered_at, chat.error
    telling: tuple[Status, ...] = ("delivered",) if chat and chat.status == "skipped_missing_credentials" else _TELLING
    for status in telling:
        for other in ended:
            if other.status == status and other.destination not in ("telegram", "webhook"):
                return other.status, other.delivered_at, other.error
    return (chat.status, None, chat.error) if chat else ("not_attempted", None, None)


def _marks(values: Sequence[str]) -> str:
    return ", ".join("?" * len(values))


def _waiting(row: Row) -> Waiting:
    (
        row_id, alert_id, destination, channel, rank, status, created_at, next_at, attempts, owner, until, parts,
    ) = row  # fmt: skip
    return Waiting(
        row_id, alert_id, destination, channel, rank, status, from_text(created_at), from_text(next_at), attempts,
        owner, from_text(until) if until else None, parts,
    )  # fmt: skip
