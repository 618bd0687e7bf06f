"""The rows an audit joins, read whole for a span: ticks, failures, alerts, silences, drills."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from monitoring.clock import from_text, to_text
from monitoring.store.database import Database, Row


def ticks(database: Database, profile: str, since: datetime, until: datetime) -> list[Row]:
    """Return (tick_at, status, reason, run id) of every tick in [since, until) that has a row, oldest first."""
    return database.rows(
        "SELECT tick_at, status, reason, id FROM runs "
        "WHERE profile = ? AND tick_at >= ? AND tick_at < ? ORDER BY tick_at",
        (profile, to_text(since), to_text(until)),
    )


def failures(database: Database, since: datetime, until: datetime, profile: str | None) -> list[Row]:
    """Return (profile, task, failed runs, first, last, last reason, whether it still fails) per failing task."""
    return database.rows(
        "SELECT r.profile, t.name, count(*), min(t.started_at), max(t.started_at), "
        "(SELECT reason FROM task_runs WHERE id = max(t.id)), "
        "NOT EXISTS (SELECT 1 FROM task_runs o JOIN runs p ON p.id = o.run_id "
        "WHERE p.profile = r.profile AND o.name = t.name AND o.status = 'ok' AND o.id > max(t.id)) "
        "FROM runs r JOIN task_runs t ON t.run_id = r.id "
        "WHERE r.started_at >= ? AND r.started_at < ? AND t.status IN ('failed', 'timeout', 'skipped') "
        "AND (? IS NULL OR r.profile = ?) GROUP BY r.profile, t.name ORDER BY min(t.id)",
        (to_text(since), to_text(until), profile, profile),
    )


def alerts(
    database: Database, since: datetime, until: datetime
) -> Iterable[tuple[int, datetime, str, timedelta | None, str, bool]]:
    """Return (id, created_at, status, time until delivered, error, went to the test chat), oldest first."""
    found = database.rows(
        "SELECT id, created_at, delivery_status, delivered_at, coalesce(delivery_error, ''), "
        "EXISTS (SELECT 1 FROM deliveries d WHERE d.alert_id = a.id AND d.receipt_json LIKE '%\"test_mode\":true%') "
        "FROM alert_events a WHERE created_at >= ? AND created_at < ? ORDER BY id",
        (to_text(since), to_text(until)),
    )
    for alert_id, created_at, status, delivered_at, error, test_mode in found:
        took = from_text(delivered_at) - from_text(created_at) if delivered_at and status == "delivered" else None
        yield alert_id, from_text(created_at), status, took, error, bool(test_mode)


def silences(database: Database, since: datetime, until: datetime) -> Iterable[tuple[str, datetime, datetime]]:
    """Return (what it covers and why, starts_at, ends_at) of each silence that held within [since, until)."""
    found = database.rows(
        "SELECT id, protocol, key, starts_at, ends_at, reason, silenced FROM silences "
        "WHERE starts_at < ? AND ends_at > ? ORDER BY starts_at",
        (to_text(until), to_text(since)),
    )
    for silence_id, protocol, key, starts_at, ends_at, reason, held_back in found:
        covers = f"{protocol} {key}" if key else protocol
        why = f" ({reason})" if reason else ""
        text = (
            f"silence {silence_id} covers {covers} until {ends_at[:16].replace('T', ' ')}{why}, {held_back} held back"
        )
        yield text, from_text(starts_at), from_text(ends_at)


def last_drill(database: Database, until: datetime) -> datetime | None:
    """Return when a drill last arrived."""
    found = database.row(
        "SELECT max(delivered_at) FROM alert_events WHERE kind = 'drill' AND delivery_status = 'delivered' "
        "AND created_at < ?",
        (to_text(until),),
    )
    return from_text(found[0]) if found and found[0] else None


def why_ledger_begins(database: Database) -> str:
    """Say why the ledger is not older than it is: a file that was replaced, an adopted history, a fresh install."""
    repaired = database.row(
        "SELECT created_at FROM alert_events WHERE source = 'ops_error' AND title LIKE 'The database was damaged%' "
        "ORDER BY id DESC LIMIT 1"
    )
    if repaired:
        return f"the database was damaged and replaced at {repaired[0][:16].replace('T', ' ')}"
    first_run = database.row("SELECT min(started_at) FROM runs")
    first_alert = database.row("SELECT min(created_at) FROM alert_events")
    if first_alert and first_alert[0] and (not first_run or not first_run[0] or first_alert[0] < first_run[0]):
        return "the alerts before are those of the system this replaced, which kept no ledger"
    return "this database is that young: a fresh install, or the old file was deleted"
