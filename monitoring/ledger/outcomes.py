"""What the audit judges: every due tick of a span with its outcome, failing tasks, alerts, silences, drills.

Reads the store, writes nothing; the same facts serve the audit, `status`, the API and the dashboard.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from monitoring.base.clock import from_text
from monitoring.base.process_identity import Boot, is_alive_text
from monitoring.conditions.severity import Severity
from monitoring.conditions.silence import Silence, covered_now, subject_of
from monitoring.ledger import clock_steps
from monitoring.ledger.clock_steps import ClockStep
from monitoring.ledger.log_ranges import LogRanges, log_ranges
from monitoring.ledger.reach import ReachProblem, reach_problems
from monitoring.ledger.reconcile import Due, explain
from monitoring.ledger.spool import ledger_since
from monitoring.ledger.ticks import GRACE, due_ticks
from monitoring.store.db.database import Database
from monitoring.store.people import acknowledgements
from monitoring.store.people.acknowledgements import Acknowledgement
from monitoring.store.queries import audit
from monitoring.store.tables import conditions, runs, schedules, silences
from monitoring.store.tables.schedules import ScheduleInForce


class TickOutcome(NamedTuple):
    """A due tick and what became of it: ok, failed, aborted, going, skipped, missed; unknown if its row is lost.

    `tasks_failed`: a failed run whose tasks say why. `caught_up`: the run that made up for a missed tick.
    A tuple, since a year has 70,000 of them.
    """

    profile: str
    tick_at: datetime
    status: str
    reason: str = ""
    run_id: int | None = None
    tasks_failed: bool = False
    caught_up: str = ""


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
class AlertOutcome:
    """An alert and how its delivery ended; `took` is none until it is delivered."""

    id: int
    created_at: datetime
    status: str
    took: timedelta | None = None
    error: str = ""
    test_mode: bool = False
    attempts: int = 0


@dataclass(frozen=True, slots=True)
class FailedElsewhere:
    """Deliveries to a destination other than the chat that failed permanently."""

    destination: str
    count: int
    first_at: datetime
    last_at: datetime
    error: str


@dataclass(frozen=True, slots=True)
class SilenceInForce:
    """A silence that held at some moment of the span, and the CRITICAL incidents that it covers now."""

    silence: Silence
    critical: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NoDataPeriod:
    """Checks without data, by the source to blame; `until` is none while it lasts."""

    source: str
    since: datetime
    until: datetime | None
    checks: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything the result for [since, until) rests on; ticks in order of profile and time.

    `drill` is when the last drill arrived and how long it took. `begins_at` is how far back the ledger reaches, and
    `begins_why` why no further. `refused` are (title, instant) of the sync's alerts, `ended_by_hand` (condition, who,
    instant), `acknowledged` who had which incident. `unreached` is why people are not being reached now, of a span that
    reaches until now.
    """

    now: datetime
    since: datetime
    until: datetime
    profiles: tuple[str, ...]
    ticks: tuple[TickOutcome, ...]
    failures: tuple[TaskFailures, ...] = ()
    alerts: tuple[AlertOutcome, ...] = ()
    failed_elsewhere: tuple[FailedElsewhere, ...] = ()
    silences: tuple[SilenceInForce, ...] = ()
    no_data: tuple[NoDataPeriod, ...] = ()
    refused: tuple[tuple[str, datetime], ...] = ()
    ended_by_hand: tuple[tuple[str, str, datetime], ...] = ()
    acknowledged: tuple[Acknowledgement, ...] = ()
    steps: tuple[ClockStep, ...] = ()
    drill: tuple[datetime, timedelta] | None = None
    begins_at: datetime | None = None
    begins_why: str = ""
    unreached: tuple[ReachProblem, ...] = ()
    log_ranges: tuple[LogRanges, ...] = ()
    inhibited: Counter[str] = field(default_factory=Counter)


def gather(
    database: Database,
    *,
    since: datetime,
    until: datetime,
    now: datetime,
    boot: Boot,
    profile: str | None = None,
    is_alive: Callable[[str], bool] = is_alive_text,
    due: Due = due_ticks,
    grace: timedelta = GRACE,
) -> Facts:
    """Collect the facts of [since, until) as the store knows them now.

    A tick younger than its grace is left out, unless it has a row already: its outcome is not decided yet.
    `due` and `grace` are for tests whose schedules tick in seconds.
    """
    spans = [span for span in schedules.history(database, since, until) if profile in (None, span.schedule.profile)]
    gathering = _Ticks(database, since, min(until, now), now - grace, boot, is_alive, due)
    outcomes = gathering.outcomes(spans, profile)
    return Facts(
        now=now,
        since=since,
        until=until,
        profiles=tuple(sorted({found.profile for found in outcomes} | {span.schedule.profile for span in spans})),
        ticks=tuple(outcomes),
        failures=tuple(_failures(database, since, until, profile)),
        alerts=tuple(AlertOutcome(*row) for row in audit.alerts(database, since, until, profile)),
        failed_elsewhere=tuple(FailedElsewhere(*row) for row in audit.failed_elsewhere(database, since, until)),
        silences=tuple(_silences(database, since, until, now)),
        no_data=tuple(NoDataPeriod(*row) for row in audit.blind(database, since, until)),
        refused=tuple(audit.refused_commits(database, since, until)),
        ended_by_hand=tuple(audit.ended_by_hand(database, since, until)),
        acknowledged=tuple(database.read(lambda tx: acknowledgements.within(tx, since, until))),
        steps=tuple(clock_steps.steps(database, since, until, now, boot)),
        drill=audit.last_drill(database, until),
        begins_at=schedules.ledger_begins(database),
        begins_why=why_ledger_begins(database),
        unreached=tuple(reach_problems(database, now)) if until >= now else (),
        log_ranges=tuple(log_ranges(database, since, until)),
        inhibited=Counter(each.inhibited_by for each in database.read(conditions.inhibited) if until >= now),
    )


def _silences(database: Database, since: datetime, until: datetime, now: datetime) -> Iterator[SilenceInForce]:
    found = silences.between(database, since, until)
    open_now = database.read(lambda tx: conditions.incidents(tx, now)) if found and until >= now else []
    for each in found:
        covered = [row for row in covered_now(each, open_now, now) if subject_of(row).severity is Severity.CRITICAL]
        yield SilenceInForce(each, tuple(str(row.key) for row in covered))


@dataclass(frozen=True, slots=True)
class _Ticks:
    """Finds the outcome of every due tick in [since, until) that is not younger than `horizon`."""

    database: Database
    since: datetime
    until: datetime
    horizon: datetime
    boot: Boot
    is_alive: Callable[[str], bool]
    due: Due

    def outcomes(self, spans: Sequence[ScheduleInForce], profile: str | None) -> list[TickOutcome]:
        known: dict[str, dict[datetime, TickOutcome]] = defaultdict(dict)
        for row in audit.ticks(self.database, self.since, self.until, profile):
            known[row[0]][row[1]] = self._known(*row)
        by_profile: dict[str, list[ScheduleInForce]] = {name: [] for name in known}
        for span in spans:
            by_profile.setdefault(span.schedule.profile, []).append(span)
        found = [
            outcome
            for name in sorted(by_profile)
            for outcome in self._of_profile(name, by_profile[name], known.get(name, {}))
        ]
        return _with_catch_ups(found, audit.catch_ups(self.database, self.since))

    def _known(
        self, name: str, tick_at: datetime, status: str, reason: str, run_id: int, process: str | None, failed: int
    ) -> TickOutcome:
        if status == "running" and not self.is_alive(process or ""):
            status, reason = "aborted", f"its process ({process}) is gone"
        return TickOutcome(name, tick_at, "going" if status == "running" else status, reason, run_id, bool(failed))

    def _of_profile(
        self, name: str, spans: Sequence[ScheduleInForce], known: Mapping[datetime, TickOutcome]
    ) -> Iterator[TickOutcome]:
        silent, lost = self._without_row(spans, known)
        why = why_rows_are_lost(self.database) if lost else ""
        explained = {found.tick_at: found for found in explain(self.database, name, sorted(silent), self.boot)}
        for tick in sorted([*known, *explained, *lost]):  # no tick is in two of them, and each comes in order
            if tick in known:
                yield known[tick]
            elif tick in explained:
                yield TickOutcome(name, tick, explained[tick].status, explained[tick].reason)
            else:
                yield TickOutcome(name, tick, "unknown", why)

    def _without_row(
        self, spans: Sequence[ScheduleInForce], known: Mapping[datetime, TickOutcome]
    ) -> tuple[set[datetime], set[datetime]]:
        """Return the due ticks without a row, and those whose row existed and is lost."""
        silent, lost = set[datetime](), set[datetime]()
        just_before = self.since - timedelta(microseconds=1)
        for span in spans:
            for tick in self.due(span, just_before, min(self.until, self.horizon)):
                if tick not in known and tick < self.until:
                    (lost if tick <= span.reconciled_to else silent).add(tick)
        return silent - lost, lost


def _with_catch_ups(
    outcomes: list[TickOutcome], runs_since: Iterable[tuple[str, datetime, int, str]]
) -> list[TickOutcome]:
    """Mark the newest missed tick before each catch-up run of its profile."""
    missed: dict[str, list[int]] = defaultdict(list)
    for index, outcome in enumerate(outcomes):
        if outcome.status == "missed":
            missed[outcome.profile].append(index)
    for profile, started_at, run_id, status in runs_since:
        before = bisect_right(missed[profile], started_at, key=lambda index: outcomes[index].tick_at)
        if before:
            index = missed[profile][before - 1]
            caught_up = f"run {run_id} caught up at {started_at:%H:%M}: {status}"
            outcomes[index] = outcomes[index]._replace(caught_up=caught_up)
    return outcomes


def _failures(database: Database, since: datetime, until: datetime, profile: str | None) -> Iterator[TaskFailures]:
    for name, task, count, first, last, reason, still in audit.failures(database, since, until, profile):
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


def why_rows_are_lost(database: Database) -> str:
    """Return why rows that had been written are gone."""
    repaired_at = audit.repaired_at(database)
    if repaired_at:
        return f"the database was damaged and replaced at {_minute(repaired_at)}"
    if lost_at := audit.lost_at(database):
        return f"the database was deleted or replaced at {_minute(lost_at)}"
    if restored_at := audit.restored_at(database):
        return f"a backup was restored at {_minute(restored_at)}: newer rows are in the database it replaced"
    return "their rows were pruned, or lost with an older database"


def why_ledger_begins(database: Database) -> str:
    """Return why the ledger starts when it does: a replaced file, an adopted history, a deleted file, a new host."""
    repaired_at = audit.repaired_at(database)
    if repaired_at:
        return f"the database was damaged and replaced at {_minute(repaired_at)}"
    begins_at, kept_since = schedules.ledger_begins(database), ledger_since(database.path.parent)
    if begins_at and kept_since and begins_at - kept_since > GRACE:
        return f"the database was deleted or replaced; this host has kept a ledger since {_minute(kept_since)}"
    first_alert = audit.first_alert(database)
    if first_alert and (begins_at is None or first_alert < begins_at):
        return "the alerts before are those of the system this replaced, which kept no ledger"
    return "it is not older: a new install, or a deleted database"


def _minute(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%d %H:%M")
