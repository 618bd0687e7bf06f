"""What the API, the metrics and the pages say of the whole: the audit, and each profile with its runs.

The audit is the one of `monitoring.ledger`, so that a page, the API and the command line never disagree.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from monitoring.alerts.message.guidance import Guidance
from monitoring.alerts.message.lines import reminder_words
from monitoring.base.errors import MonitoringError
from monitoring.base.process_identity import Boot
from monitoring.conditions.condition import Condition, ConditionKey
from monitoring.conditions.silence import Silence, silence_of, subject_of
from monitoring.ledger.audit import Audit, judge
from monitoring.ledger.cron import Cron
from monitoring.ledger.outcomes import gather
from monitoring.store.db.database import Database, Tx
from monitoring.store.people import acknowledgements, escalations
from monitoring.store.people.acknowledgements import Acknowledgement
from monitoring.store.people.escalations import EscalationProgress
from monitoring.store.queries import runs as run_queries
from monitoring.store.queries.runs import TaskStanding
from monitoring.store.tables import conditions, configured_protocols, runs, schedules, silences
from monitoring.store.tables.runs import RunRow
from monitoring.store.tables.schedules import ScheduleInForce
from monitoring.web.health import overdue_profiles

DAY = timedelta(hours=24)
STRIP = 30


@dataclass(frozen=True, slots=True)
class ProfileView:
    """A profile as it stands: its schedule, what is next, its newest runs (newest first)."""

    name: str
    cron: str
    enabled: bool
    next_tick: datetime | None
    overdue: str
    recent: tuple[RunRow, ...]

    @property
    def last(self) -> RunRow | None:
        """The newest run that really ran."""
        return next((run for run in self.recent if run.status not in ("skipped", "missed")), None)

    @property
    def status(self) -> str:
        """One word for the card: how the newest row ended, unless the profile is off or overdue."""
        if not self.enabled:
            return "disabled"
        if self.overdue:
            return "overdue"
        return self.recent[0].status if self.recent else "waiting"


@dataclass(frozen=True, slots=True)
class WatchedProfile:
    """What a profile watches: its tasks, as its newest run left them."""

    profile: ProfileView
    tasks: tuple[TaskStanding, ...]


@dataclass(frozen=True, slots=True)
class Incident:
    """A condition that fires or fired, the silence that covers it, who has it, who was asked to take it.

    `happened`: once, within a day.
    """

    condition: Condition
    silence: Silence | None = None
    happened: bool = False
    held: Acknowledgement | None = None
    asked: EscalationProgress | None = None

    @property
    def is_firing(self) -> bool:
        """It is among what fires now."""
        return self.condition.is_firing or self.happened

    @property
    def status(self) -> str:
        if self.is_firing:
            return "happened once" if self.happened else "firing"
        once = self.condition.clear_since is not None or self.condition.done_by
        return "over" if once else "recovered"

    @property
    def is_unsent(self) -> bool:
        """It fires and no alert was sent: a silence held its alert back, or nothing has been sent since."""
        return self.is_firing and self.condition.last_sent_at is None

    def reminder(self, now: datetime) -> str:
        """How often it is repeated while it fires, and when next: `every 6 h, next in 2 h`."""
        row = self.condition
        words = reminder_words(row.remind_every, row.next_reminder_at, now) if row.is_firing else ""
        return words.removeprefix("reminder ")


def audit(database: Database, now: datetime, boot: Boot, span: timedelta = DAY, profile: str | None = None) -> Audit:
    """Judge the last `span`."""
    return judge(gather(database, since=now - span, until=now, now=now, boot=boot, profile=profile))


def profiles(database: Database, now: datetime, boot: Boot, *, recent: int = STRIP) -> list[ProfileView]:
    """Return the profiles whose schedule is in force, by name."""
    overdue = {found.profile: str(found) for found in overdue_profiles(database, now, boot)}
    return [
        ProfileView(
            name=entry.schedule.profile,
            cron=entry.schedule.cron,
            enabled=entry.schedule.enabled,
            next_tick=_next_tick(entry, now),
            overdue=overdue.get(entry.schedule.profile, ""),
            recent=tuple(runs.latest(database, entry.schedule.profile, limit=recent)),
        )
        for entry in schedules.in_force(database)
    ]


def watched(database: Database, now: datetime, boot: Boot) -> list[WatchedProfile]:
    """Return everything that is watched, by profile."""
    return [
        WatchedProfile(profile, tuple(run_queries.task_standings(database, profile.name)))
        for profile in profiles(database, now, boot, recent=1)
    ]


@dataclass(frozen=True, slots=True)
class WatchedFile:
    """A file that watches a protocol: what it says of itself, and when it runs. `link` is its runbook on the web."""

    file: str
    watches: str
    runbook: str
    profile: str
    cron: str

    @property
    def link(self) -> str:
        return Guidance(self.runbook).link


@dataclass(frozen=True, slots=True)
class ProtocolCard:
    """What is watched of one protocol."""

    name: str
    files: tuple[WatchedFile, ...]

    @property
    def profiles(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(one.profile for one in self.files))


def protocols(database: Database) -> list[ProtocolCard]:
    """Return the configured protocols with the files that watch them, as the newest run found them."""
    return [
        ProtocolCard(row["name"], tuple(_watched_files(row["tasks"]))) for row in configured_protocols.read(database)
    ]


def _watched_files(tasks: Sequence[Mapping[str, Any]]) -> Iterator[WatchedFile]:
    for task in tasks:
        about = {one["file"]: one for one in task.get("about", ())}
        for file in task.get("monitors") or [task["script"]]:
            said = about.get(file, {})
            yield WatchedFile(file, said.get("watches", ""), said.get("runbook", ""), task["profile"], task["cron"])


def firing(database: Database, now: datetime) -> list[Incident]:
    """Return what fires now or happened within a day, the worst first and of those the longest first."""
    with database.snapshot() as tx:
        found, holding = conditions.incidents(tx, now), silences.active(tx, now)
        asked = escalations.everything(tx)
        worst_first = sorted(found, key=lambda condition: -condition.severity)
        return [covered(tx, condition, holding, now, asked) for condition in worst_first]


def covered(
    tx: Tx,
    condition: Condition,
    holding: Sequence[Silence],
    now: datetime,
    asked: Mapping[ConditionKey, EscalationProgress],
) -> Incident:
    """Pair a condition with the silence that covers it, with who has it, and with who was asked in this episode."""
    held, happened = acknowledgements.of(tx, condition, now), condition.happened_once(now)
    silence = silence_of(holding, subject_of(condition))
    return Incident(condition, silence, happened, held, escalations.of_now(asked, condition))


def _next_tick(entry: ScheduleInForce, now: datetime) -> datetime | None:
    if not entry.schedule.enabled:
        return None
    try:
        return Cron.parse(entry.schedule.cron).next_after(now)
    except MonitoringError:
        return None
