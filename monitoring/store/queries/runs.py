"""What the API and the dashboard read of runs, tasks, deliveries and volumes. Reads only; each reads a bounded part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from monitoring.base.clock import from_text
from monitoring.store.db.database import Database, Row
from monitoring.store.queries.pagination import id_from
from monitoring.store.tables import runs
from monitoring.store.tables.alerts import SEVERITIES
from monitoring.store.tables.runs import RunRow


@dataclass(frozen=True, slots=True)
class TaskStanding:
    """How a task of a profile ended last."""

    profile: str
    name: str
    status: str
    reason: str
    run_id: int
    started_at: str
    duration_s: float | None
    failing_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """One destination of an alert and how far it came."""

    destination: str
    channel: str
    status: str
    attempts: int
    next_attempt_at: str | None
    delivered_at: str | None
    error: str | None


@dataclass(frozen=True, slots=True)
class WaitingCount:
    """What has not been delivered yet, by destination and status."""

    destination: str
    status: str
    count: int
    oldest_at: datetime


def run_page(
    database: Database, *, profile: str | None, status: str | None, before_id: int | None, limit: int
) -> list[RunRow]:
    """Return the newest runs that pass, newest first."""
    equal = [(name, value) for name, value in (("profile", profile), ("status", status)) if value is not None]
    conditions = [f"{name} = ?" for name, _ in equal] + (["id < ?"] if before_id is not None else [])
    values: list[Any] = [value for _, value in equal] + ([before_id] if before_id is not None else [])
    index = f"INDEXED BY run_{'_'.join(name for name, _ in equal)}" if equal else "NOT INDEXED"
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    return runs.select(database, f"{index} {where} ORDER BY id DESC LIMIT ?", [*values, limit])


def neighbours(database: Database, run: RunRow) -> tuple[int | None, int | None]:
    """Return the ids of the runs of the same profile just before and just after one."""
    before = database.row("SELECT max(id) FROM runs WHERE profile = ? AND id < ?", (run.profile, run.id))
    after = database.row("SELECT min(id) FROM runs WHERE profile = ? AND id > ?", (run.profile, run.id))
    return (before[0] if before else None), (after[0] if after else None)


def task_standings(database: Database, profile: str) -> list[TaskStanding]:
    """Return the tasks of the newest run of a profile that had any, each with its end.

    A run that still goes has not begun all of its tasks: it counts only where there is no other.
    """
    ended, going = (_newest_with_tasks(database, profile, f"{sign} 'running'") for sign in ("<>", "="))
    newest = ended or going
    if newest is None:
        return []
    found = database.rows(
        "SELECT name, status, reason, run_id, started_at, duration_s FROM task_runs WHERE run_id = ? ORDER BY id",
        (newest[0],),
    )
    return [_standing(database, profile, row) for row in found]


def _newest_with_tasks(database: Database, profile: str, status: str) -> Row | None:
    return database.row(
        "SELECT t.run_id FROM runs r JOIN task_runs t ON t.run_id = r.id "  # noqa: S608 - words of our own
        f"WHERE r.profile = ? AND r.status {status} ORDER BY r.id DESC LIMIT 1",
        (profile,),
    )


def _standing(database: Database, profile: str, row: Sequence[Any]) -> TaskStanding:
    streak = runs.failing_since(database, profile, row[0]) if row[1] in ("failed", "timeout") else None
    return TaskStanding(profile, *row, streak.since if streak else None)  # type: ignore[call-arg]


def deliveries_of(database: Database, alert_id: int) -> list[DeliveryRow]:
    found = database.rows(
        "SELECT destination, channel, status, attempts, next_attempt_at, delivered_at, error FROM deliveries "
        "WHERE alert_id = ? ORDER BY id",
        (alert_id,),
    )
    return [DeliveryRow(*row) for row in found]


def waiting(database: Database) -> list[WaitingCount]:
    """Return what waits to be delivered, by destination and status."""
    found = database.rows(
        "SELECT destination, status, count(*), min(created_at) FROM deliveries INDEXED BY delivery_open "
        "WHERE status IN ('pending', 'skipped_missing_credentials') GROUP BY destination, status"
    )
    return [WaitingCount(destination, status, count, from_text(oldest)) for destination, status, count, oldest in found]


def alerts_stored(database: Database) -> int:
    """Return how many alerts were ever stored: what `prune` took away counts."""
    found = database.row("SELECT seq FROM sqlite_sequence WHERE name = 'alert_events'")
    return int(found[0]) if found else 0


def volume(database: Database, begins_at: datetime, span: timedelta, count: int) -> list[dict[str, int]]:
    """Count the alerts of `count` spans from `begins_at` on by severity (`UNKNOWN` where the old system kept none)."""
    edges = [id_from(database, begins_at + span * number) for number in range(count + 1)]
    return [_severities(database, first, end) for first, end in pairwise(edges)]


def _severities(database: Database, first: int | None, end: int | None) -> dict[str, int]:
    if first is None:
        return dict.fromkeys((*SEVERITIES, "UNKNOWN"), 0)
    return {name: _count(database, "severity = ?", [name], first, end) for name in SEVERITIES} | {
        "UNKNOWN": _count(database, "severity IS NULL", [], first, end)
    }


def _count(database: Database, condition: str, values: list[Any], first: int, end: int | None) -> int:
    found = database.row(
        "SELECT count(*) FROM alert_events INDEXED BY alert_severity "  # noqa: S608 - words of our own
        f"WHERE {condition} AND id >= ? AND id < ?",
        [*values, first, 2**63 - 1 if end is None else end],
    )
    return int(found[0]) if found else 0


def latencies(database: Database, since: datetime, limit: int) -> list[tuple[int, str, float]]:
    """Return (id, created_at, seconds until delivered) of the newest delivered alerts, oldest first."""
    first = id_from(database, since)
    if first is None:
        return []
    found = database.rows(
        "SELECT id, created_at, (julianday(delivered_at) - julianday(created_at)) * 86400 FROM alert_events "
        "NOT INDEXED WHERE id >= ? AND delivery_status = 'delivered' AND delivered_at IS NOT NULL "
        "AND julianday(created_at) IS NOT NULL AND julianday(delivered_at) IS NOT NULL ORDER BY id DESC LIMIT ?",
        (first, limit),
    )
    return [(int(row[0]), str(row[1]), max(0.0, float(row[2]))) for row in reversed(found)]


def file_bytes(database: Database) -> int:
    """Return the size of the database file without its log."""
    found = database.row("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")
    return int(found[0]) if found else 0


def last_ended(database: Database, profile: str, status: str) -> datetime | None:
    """Return when a run of the profile last ended with this status."""
    found = database.row(
        "SELECT ended_at FROM runs INDEXED BY run_profile_status WHERE profile = ? AND status = ? "
        "ORDER BY id DESC LIMIT 1",
        (profile, status),
    )
    return from_text(found[0]) if found and found[0] else None
