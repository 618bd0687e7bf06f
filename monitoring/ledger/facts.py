"""What the audit judges: every due tick of a span with its fate, failing tasks, alerts, silences, drills.

Reads the store, writes nothing; the same facts serve the audit, `status`, the API and the dashboard.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from monitoring.clock import from_text
from monitoring.ledger.reconcile import gather_evidence
from monitoring.ledger.ticks import GRACE, due_ticks, explain_unanswered
from monitoring.store import audit_rows, runs, schedules
from monitoring.store.database import Database
from monitoring.store.schedules import ScheduleInForce


@dataclass(frozen=True, slots=True)
class TickFate:
    """A due tick and what became of it: ok, failed, aborted, going, skipped or missed."""

    profile: str
    tick_at: datetime
    status: str
    reason: str = ""
    run_id: int | None = None


@dataclass(frozen=True, slots=True)
class TaskFailures:
    """A task that failed within the span; `first_at` is when this row of failures began, maybe before the span."""

    profile: str
    task: str
    count: int
    first_at: datetime
    last_at: datetime
    reason: str
    still_failing: bool


@dataclass(frozen=True, slots=True)
class AlertFate:
    """An alert stored within the span and how its delivery ended; `took` is None until it is delivered."""

    id: int
    created_at: datetime
    status: str
    took: timedelta | None = None
    error: str = ""
    test_mode: bool = False


@dataclass(frozen=True, slots=True)
class SilenceInForce:
    """A silence that held at some moment of the span."""

    text: str
    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything the verdict on [since, until) rests on; ticks in order of profile and time."""

    now: datetime
    since: datetime
    until: datetime
    profiles: tuple[str, ...]
    spans: tuple[ScheduleInForce, ...]
    ticks: tuple[TickFate, ...]
    failures: tuple[TaskFailures, ...] = ()
    alerts: tuple[AlertFate, ...] = ()
    silences: tuple[SilenceInForce, ...] = ()
    drilled_at: datetime | None = None
    gap_cause: str = ""


def gather(
    database: Database,
    *,
    since: datetime,
    until: datetime,
    now: datetime,
    booted_at: datetime,
    profile: str | None = None,
) -> Facts:
    """Collect the facts of [since, until) as the store knows them now.

    A tick younger than its grace is left out, unless it has a row already: nobody can say yet what becomes of it.
    """
    spans = [span for span in schedules.history(database, since, until) if profile in (None, span.schedule.profile)]
    names = tuple(dict.fromkeys(span.schedule.profile for span in spans))
    ticks: list[TickFate] = []
    for name in names:
        mine = [span for span in spans if span.schedule.profile == name]
        ticks += _fates(database, name, mine, since, min(until, now), now, booted_at)
    return Facts(
        now=now,
        since=since,
        until=until,
        profiles=names,
        spans=tuple(spans),
        ticks=tuple(ticks),
        failures=tuple(_failures(database, since, until, profile)),
        alerts=tuple(AlertFate(*row) for row in audit_rows.alerts(database, since, until)),
        silences=tuple(SilenceInForce(*row) for row in audit_rows.silences(database, since, until)),
        drilled_at=audit_rows.last_drill(database, until),
        gap_cause=audit_rows.why_ledger_begins(database),
    )


def _fates(
    database: Database,
    profile: str,
    spans: Sequence[ScheduleInForce],
    since: datetime,
    until: datetime,
    now: datetime,
    booted_at: datetime,
) -> Iterable[TickFate]:
    just_before = since - timedelta(microseconds=1)
    due = sorted({tick for span in spans for tick in due_ticks(span, just_before, until) if tick < until})
    known = {from_text(row[0]): row[1:] for row in audit_rows.ticks(database, profile, since, until)}
    silent = [tick for tick in due if tick not in known and tick <= now - GRACE]
    explained = {}
    if silent:
        going = runs.overlapping(database, profile, silent[0], silent[-1])
        evidence = gather_evidence(database, profile, silent[0], silent[-1], booted_at)
        explained = {found.tick_at: found for found in explain_unanswered(profile, silent, going, evidence)}
    for tick in due:
        if tick in known:
            status, reason, run_id = known[tick]
            yield TickFate(profile, tick, "going" if status == "running" else status, reason, run_id)
        elif tick in explained:
            yield TickFate(profile, tick, explained[tick].status, explained[tick].reason)


def _failures(database: Database, since: datetime, until: datetime, profile: str | None) -> Iterable[TaskFailures]:
    for name, task, count, first, last, reason, still in audit_rows.failures(database, since, until, profile):
        streak = runs.failing_since(database, name, task) if still else None
        yield TaskFailures(
            profile=name,
            task=task,
            count=count,
            first_at=streak.since if streak else from_text(first),
            last_at=from_text(last),
            reason=reason,
            still_failing=bool(still),
        )
