"""A host of some days whose days are reported, for tests of what is shown of the past."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from automation.evidence.daily import report_day
from automation.jobs.model import Jobs
from monitoring.alerts.recording.store_alert import NOBODY
from monitoring.conditions.condition import Condition, ConditionKey, State
from monitoring.conditions.severity import Severity
from monitoring.conditions.silence import Silence
from monitoring.ledger.evidence import closing
from monitoring.store.db.database import Database
from monitoring.store.db.schema import open_database
from monitoring.store.people import acknowledgements, pauses, people_drills
from monitoring.store.people.pauses import PauseKind
from monitoring.store.tables import silences
from tests.support.filled import fill

DAY = timedelta(days=1)
NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)  # a Friday, after the hour of the report
YESTERDAY = date(2026, 11, 19)
AS_SHIPPED = Jobs(profiles={})


def watched_host(path: Path, *, days: int = 2, healthy: bool = True) -> Database:
    """Return a database that is covered from its first row on, with rows of every kind, up to NOW."""
    with open_database(path) as database, database.write() as tx:
        closing.begin(tx, NOW - DAY)
    database = fill(path, NOW, days=days, healthy=healthy)
    at = NOW - DAY
    incident = Condition(
        ConditionKey("maple", "cash"), State.FIRING, Severity.HIGH, Severity.HIGH, "cash is low",
        since=at - timedelta(minutes=9), fired_at=at - timedelta(minutes=9), protocol="maple",
    )  # fmt: skip
    with database.write() as tx:
        held = acknowledgements.put(tx, incident, by="ana", note="looking", now=at, ends_at=at + DAY)
        acknowledgements.end(tx, held.id, "the incident is over", at + timedelta(hours=1))
        pause = pauses.add(
            tx, PauseKind.TASK, "hourly/aave", now=at, ends_at=at + timedelta(hours=2), reason="provider moves",
            created_by="ben",
        )  # fmt: skip
        pauses.count(tx, pause.id, 2)
        ends_at = at + timedelta(hours=2)
        silences.add(tx, "aave", "util*", now=at, ends_at=ends_at, reason="known", created_by="ana")
        people_drills.mark_asked(tx, people_drills.plan(tx, "ana", "monthly", at), 1, at, at + DAY)
        people_drills.mark_answered(tx, 1, at + timedelta(minutes=3))
        silences.put(tx, Silence(0, "lido", None, at, ends_at, "quiet", "ben", severity=Severity.MEDIUM))
    return database


def report(database: Database, now: datetime = NOW, jobs: Jobs | None = AS_SHIPPED) -> bool:
    """Report what is due, as a run does at its end."""
    return report_day(database, now, jobs, NOBODY, None)


def reports(database: Database) -> list[tuple[str, str]]:
    """Return (title, status) of every message about a day, the oldest first."""
    return database.rows(  # type: ignore[return-value]
        "SELECT title, delivery_status FROM alert_events WHERE kind = 'daily_report' ORDER BY id"
    )
