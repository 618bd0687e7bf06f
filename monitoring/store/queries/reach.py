"""What says whether people are being reached: what waits, what refuses, what was given up. Reads only.

The drill of a person that does not arrive is an alert of its own, and counts for nothing here: one phone is no failure
of every run.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from monitoring.base.clock import from_text, to_text
from monitoring.store.db.database import Database
from monitoring.store.spool.unstored import Kept, look

# A lane is tried again hourly at the latest while something waits there: one that was left alone is nobody's trouble.
_STILL_REFUSING = timedelta(hours=2)
_NEXT_ATTEMPT_WITHIN = timedelta(hours=6)  # what lies further ahead, only a clock that was ahead can have written
_LONGEST_LIFE = timedelta(days=31)  # of a delivery, with a day to spare


@dataclass(frozen=True, slots=True)
class WaitingGroup:
    """What has not been delivered yet, by destination and status."""

    destination: str
    status: str
    count: int
    oldest_at: datetime
    newest_at: datetime


@dataclass(frozen=True, slots=True)
class Refusing:
    """Deliveries that were tried and wait, while their destination refuses."""

    destination: str
    count: int
    oldest_at: datetime
    error: str


@dataclass(frozen=True, slots=True)
class GivenUp:
    """Alerts that ended as failed lately; `error` is of the newest."""

    count: int
    newest_at: datetime
    error: str


@dataclass(frozen=True, slots=True)
class Outbox:
    """Everything that counts; `kept` is what the database could not take."""

    waiting: tuple[WaitingGroup, ...] = ()
    refusing: tuple[Refusing, ...] = ()
    given_up: GivenUp | None = None
    kept: Kept = field(default_factory=Kept)


def outbox(database: Database, since: datetime, now: datetime) -> Outbox:
    """Collect it; of what was given up only what ended at or after `since`."""
    return Outbox(
        waiting=tuple(_waiting(database)),
        refusing=tuple(_refusing(database, now)),
        given_up=_given_up(database, since, now),
        kept=look(database.path.parent),
    )


def _waiting(database: Database) -> list[WaitingGroup]:
    """Return what waits; a chat that is not configured lacks nothing where people were sent the alert elsewhere."""
    found = database.rows(
        "SELECT d.destination, d.status, count(*), min(d.created_at), max(d.created_at) FROM deliveries d "
        "INDEXED BY delivery_open JOIN alert_events a ON a.id = d.alert_id "
        "WHERE d.status IN ('pending', 'skipped_missing_credentials') "
        "AND NOT (d.status = 'skipped_missing_credentials' AND a.delivery_status = 'delivered') "
        "AND a.kind <> 'people_drill' GROUP BY d.destination, d.status"
    )
    return [WaitingGroup(row[0], row[1], row[2], from_text(row[3]), from_text(row[4])) for row in found]


def _refusing(database: Database, now: datetime) -> list[Refusing]:
    """Return by kind of destination what waits for a lane that refuses.

    A lane and a delivery have only the kind in common (`telegram`), and the first of a lane's key names it.
    """
    found = database.rows(
        "SELECT d.destination, count(*), min(d.created_at), max(d.error) FROM deliveries d INDEXED BY delivery_open "
        "JOIN alert_events a ON a.id = d.alert_id AND a.kind <> 'people_drill' "
        "WHERE d.status IN ('pending', 'skipped_missing_credentials') AND d.error IS NOT NULL AND EXISTS "
        "(SELECT 1 FROM lanes l WHERE l.block_reason LIKE 'refused%' "
        "AND (l.blocked_until IS NULL OR l.blocked_until > ?) "
        "AND (l.key = d.destination OR l.key LIKE d.destination || ':%' OR l.key LIKE d.destination || ' %')) "
        "GROUP BY d.destination",
        (to_text(now - _STILL_REFUSING),),
    )
    return [Refusing(destination, count, from_text(oldest), error) for destination, count, oldest, error in found]


def _given_up(database: Database, since: datetime, now: datetime) -> GivenUp | None:
    """Return what ended as failed; a delivery ends soon after the last attempt that was due."""
    found = database.row(
        "SELECT count(DISTINCT d.alert_id), max(d.next_attempt_at), max(d.id) FROM deliveries d "
        "INDEXED BY delivery_failed JOIN alert_events a ON a.id = d.alert_id "
        "WHERE d.status = 'failed' AND d.created_at >= ? AND a.delivery_status = 'failed' "
        "AND a.kind <> 'people_drill' AND iif(d.next_attempt_at > ?, d.created_at, d.next_attempt_at) >= ?",
        (to_text(now - _LONGEST_LIFE), to_text(now + _NEXT_ATTEMPT_WITHIN), to_text(since)),
    )
    if not found or not found[0]:
        return None
    error = database.row("SELECT coalesce(error, '') FROM deliveries WHERE id = ?", (found[2],))
    return GivenUp(int(found[0]), from_text(found[1]), str(error[0]) if error else "")
