"""How alerts of a span arrived, and which commits ran in it; read whole, for the report of a day and of weeks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from monitoring.base.clock import instant_or_none, to_text
from monitoring.store.db.database import Tx, fetch


@dataclass(frozen=True, slots=True)
class Arrival:
    """One alert; `took` is the time from stored, or released by a silence, until it was accepted."""

    created_at: datetime
    severity: str
    status: str
    took: timedelta | None = None


def arrivals(tx: Tx, since: datetime, until: datetime, left_out: Sequence[str]) -> list[Arrival]:
    """Return the alerts of [since, until) in their order, but those of the kinds that are left out."""
    found = fetch(
        tx,
        "SELECT a.created_at, coalesce(a.severity, ''), a.delivery_status, a.delivered_at, "  # noqa: S608 - marks alone
        "(SELECT min(d.created_at) FROM deliveries d WHERE d.alert_id = a.id) FROM alert_events a "
        f"WHERE a.created_at >= ? AND a.created_at < ? AND a.kind NOT IN ({', '.join('?' * len(left_out))}) "
        "AND a.delivery_status <> 'not_attempted' ORDER BY a.id",
        (to_text(since), to_text(until), *left_out),
    )
    return [
        Arrival(created_at, severity, status, _took(status, instant_or_none(stored) or created_at, delivered))
        for text, severity, status, delivered, stored in found
        if (created_at := instant_or_none(text)) is not None
    ]


def _took(status: str, stored_at: datetime, delivered: str | None) -> timedelta | None:
    delivered_at = instant_or_none(delivered) if status == "delivered" else None
    return max(delivered_at - stored_at, timedelta(0)) if delivered_at else None


def late_starts(tx: Tx, since: datetime, until: datetime, least: timedelta) -> list[tuple[datetime, timedelta]]:
    """Return (tick, delay) of each tick of [since, until) whose run started later than it should by `least`."""
    found = fetch(
        tx,
        "SELECT tick_at, unixepoch(started_at, 'subsec') - unixepoch(tick_at, 'subsec') AS late FROM runs "
        "WHERE tick_at >= ? AND tick_at < ? AND process IS NOT NULL AND late >= ? ORDER BY tick_at",
        (to_text(since), to_text(until), least.total_seconds()),
    )
    return [(at, timedelta(seconds=late)) for text, late in found if (at := instant_or_none(text)) is not None]


def revisions(tx: Tx, since: datetime, until: datetime) -> list[tuple[str, datetime]]:
    """Return (commit, start of its first run) of each commit that ran within [since, until), the oldest first."""
    found = fetch(
        tx,
        "SELECT revision, min(started_at) FROM runs WHERE started_at >= ? AND started_at < ? AND revision <> '' "
        "GROUP BY revision ORDER BY 2",
        (to_text(since), to_text(until)),
    )
    return [(row[0], at) for row in found if (at := instant_or_none(row[1])) is not None]


def last_revision(tx: Tx, until: datetime) -> str:
    """Return the commit of the last run that started before an instant."""
    found = fetch(
        tx,
        "SELECT revision FROM runs WHERE started_at < ? AND revision <> '' ORDER BY started_at DESC LIMIT 1",
        (to_text(until),),
    )
    return str(found[0][0]) if found else ""
