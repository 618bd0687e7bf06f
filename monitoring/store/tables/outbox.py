"""The outbox as a line: what is next for a destination, taken under a lease, maybe with others in one message.

Only `monitoring.alerts` calls this, inside the transaction whose clock reading is `now`. How a delivery ends is in
`deliveries`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from monitoring.base.clock import to_text
from monitoring.store.db.database import Row, Tx, fetch
from monitoring.store.db.waits import LEASE, REFUSED_PAUSES, believed, holds, refused_pause, span
from monitoring.store.tables.deliveries import OPEN, WAITING, Own, Status, only

_COLUMNS = (
    "id, alert_id, destination, channel, severity_rank, status, next_attempt_at, attempts, lease_owner, lease_until, "
    "parts_sent, created_at"
)


@dataclass(frozen=True, slots=True)
class WaitingDelivery:
    """A delivery that has not ended. Instants that only a clock that was ahead can have written are none.

    `created_at` is the text as it is stored: it distinguishes this row from one of another file with the same id.
    """

    id: int
    alert_id: int
    destination: str
    channel: str
    severity_rank: int
    status: Status
    next_attempt_at: datetime | None
    attempts: int
    lease_owner: str | None
    lease_until: datetime | None
    parts_sent: int
    created_at: str


@dataclass(frozen=True, slots=True)
class DeliveryRecord:
    """One delivery as it is, ended or not; `leader` is the alert in whose message this one is."""

    waiting: WaitingDelivery
    error: str | None
    delivered_at: str | None
    leader: int | None


@dataclass(frozen=True, slots=True)
class Group:
    """All that waits for one destination and channel: how many, the worst of them, the first of them."""

    destination: str
    channel: str
    count: int
    worst_rank: int
    first_id: int


def is_here(tx: Tx, delivery: WaitingDelivery) -> bool:
    """Return whether the row of this id is still this delivery: another file may lie at the path by now."""
    found = tx.execute(
        "SELECT 1 FROM deliveries WHERE id = ? AND alert_id = ? AND created_at = ?",
        (delivery.id, delivery.alert_id, delivery.created_at),
    )
    return found.fetchone() is not None


def records_of(tx: Tx, alert_id: int, now: datetime) -> list[DeliveryRecord]:
    """Return every delivery of an alert."""
    found = fetch(
        tx,
        f"SELECT {_COLUMNS}, error, delivered_at, "  # noqa: S608 - names of our own
        "(SELECT leader.alert_id FROM deliveries AS leader WHERE leader.id = deliveries.folded_into) "
        "FROM deliveries WHERE alert_id = ? ORDER BY id",
        (alert_id,),
    )
    return [DeliveryRecord(_waiting(row[:-3], now), *row[-3:]) for row in found]


def groups(tx: Tx, own: Own | None = None) -> list[Group]:
    """Return what waits, by destination and channel; reads only the index of waiting rows."""
    theirs, values = only(own)
    found = fetch(
        tx,
        "SELECT destination, channel, count(*), max(severity_rank), min(id) FROM deliveries "  # noqa: S608
        f"WHERE {WAITING} {theirs} GROUP BY destination, channel",
        values,
    )
    return [Group(*row) for row in found]


def head(
    tx: Tx,
    destination: str,
    channels: Sequence[str],
    *,
    severity_rank: int,
    now: datetime,
    aside_after: int,
    own: Own | None = None,
) -> WaitingDelivery | None:
    """Return the first delivery in line; one tried `aside_after` times lets others pass until it is due again.

    Where all of them step aside it is the first one all the same. With `own` only of what that process raised.
    """
    theirs, values = only(own)
    first = (
        f"SELECT {_COLUMNS} FROM deliveries WHERE {WAITING} AND destination = ? AND severity_rank = ? "  # noqa: S608
        f"AND channel IN ({_marks(channels)}) {theirs} "
    )
    in_line = (destination, severity_rank, *channels, *values)
    found = (
        tx.execute(
            f"{first} AND (attempts < ? OR NOT {holds('next_attempt_at')}) ORDER BY id LIMIT 1",
            (*in_line, aside_after, *span(now, REFUSED_PAUSES[-1])),
        ).fetchone()
        or tx.execute(f"{first} ORDER BY id LIMIT 1", in_line).fetchone()
    )
    return _waiting(found, now) if found else None


def count_of_rank(tx: Tx, destination: str, channels: Sequence[str], severity_rank: int, limit: int) -> int:
    """Count the waiting deliveries of one severity, up to `limit`."""
    found = tx.execute(
        f"SELECT count(*) FROM (SELECT 1 FROM deliveries WHERE {WAITING} AND destination = ? "  # noqa: S608
        f"AND severity_rank = ? AND channel IN ({_marks(channels)}) LIMIT ?)",
        (destination, severity_rank, *channels, limit),
    ).fetchone()
    return int(found[0]) if found else 0


def has_untried_since(tx: Tx, destination: str, channels: Sequence[str], since: datetime, severity_rank: int) -> bool:
    """Return whether a delivery at least that severe waits that was never tried and was stored after an instant."""
    found = tx.execute(
        f"SELECT 1 FROM deliveries WHERE {WAITING} AND destination = ? AND channel IN ({_marks(channels)}) "  # noqa: S608
        "AND severity_rank >= ? AND attempts = 0 AND created_at > ? LIMIT 1",
        (destination, *channels, severity_rank, to_text(since)),
    ).fetchone()
    return found is not None


def foldable(
    tx: Tx, destination: str, channels: Sequence[str], now: datetime, limit: int, *, severity_rank: int,
    own: Own | None = None,
) -> list[WaitingDelivery]:  # fmt: skip
    """Return the untouched waiting deliveries of one severity that nobody is sending, in order."""
    return _untouched(tx, destination, channels, now, limit, "severity_rank = ?", severity_rank, own)


def waiting_for_credentials(
    tx: Tx, destination: str, channels: Sequence[str], now: datetime, limit: int, *, own: Own | None = None
) -> list[WaitingDelivery]:
    """Return the untouched deliveries, of any severity, that lacked credentials; the worst first."""
    return _untouched(tx, destination, channels, now, limit, "status = ?", "skipped_missing_credentials", own)


def _untouched(
    tx: Tx, destination: str, channels: Sequence[str], now: datetime, limit: int, more: str, value: str | int,
    own: Own | None,
) -> list[WaitingDelivery]:  # fmt: skip
    theirs, values = only(own)
    found = fetch(
        tx,
        f"SELECT {_COLUMNS} FROM deliveries WHERE {WAITING} AND destination = ? "  # noqa: S608 - names of our own
        f"AND channel IN ({_marks(channels)}) {theirs} AND parts_sent = 0 AND NOT {holds('lease_until')} "
        f"AND {more} ORDER BY severity_rank DESC, id LIMIT ?",
        [destination, *channels, *values, *span(now, LEASE), value, limit],
    )
    return [_waiting(row, now) for row in found]


def claim(tx: Tx, delivery_id: int, owner: str, now: datetime, until: datetime) -> bool:
    """Take one delivery for sending; False if somebody else has it or it has ended."""
    tx.execute(
        "UPDATE deliveries SET lease_owner = ?, lease_until = ?, attempts = attempts + 1 "  # noqa: S608
        f"WHERE id = ? AND {OPEN} AND NOT {holds('lease_until')}",
        (owner, to_text(until), delivery_id, *span(now, LEASE)),
    )
    return tx.changes() == 1


def fold(tx: Tx, leader_id: int, member_ids: Iterable[int]) -> None:
    """Let the message of one delivery stand for the others too, and for those that they stood for."""
    others = [(leader_id, member_id, member_id) for member_id in member_ids if member_id != leader_id]
    tx.executemany(f"UPDATE deliveries SET folded_into = ? WHERE (id = ? OR folded_into = ?) AND {OPEN}", others)  # noqa: S608


def folded_alert_ids(tx: Tx, leader_id: int) -> list[int]:
    """Return the alerts that the message of this delivery stands for, itself not among them."""
    return [
        row[0] for row in fetch(tx, "SELECT alert_id FROM deliveries WHERE folded_into = ? ORDER BY id", (leader_id,))
    ]


def step_aside(tx: Tx, delivery_id: int, attempts: int, now: datetime, error: str) -> None:
    """Let the others pass a delivery that cannot even be read, until it is looked at again."""
    tx.execute(
        "UPDATE deliveries SET attempts = ?, next_attempt_at = ?, error = ? WHERE id = ?",
        (attempts, to_text(now + REFUSED_PAUSES[-1]), error, delivery_id),
    )


def _marks(values: Sequence[str]) -> str:
    return ", ".join("?" * len(values))


def _waiting(row: Row, now: datetime) -> WaitingDelivery:
    row_id, alert_id, destination, channel, rank, status, next_at, attempts, owner, until, parts, created_at = row
    longest = refused_pause(attempts) if attempts else timedelta(0)
    return WaitingDelivery(
        row_id, alert_id, destination, channel, rank, status, believed(next_at, now, longest), attempts, owner,
        believed(until, now, LEASE), parts, created_at,
    )  # fmt: skip
