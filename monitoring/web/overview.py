"""What the API, the metrics and the pages say of the whole: the audit, and each profile with its runs.

The audit is the one of `monitoring.ledger`, so that a page, the API and the command line never disagree.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from monitoring.errors import MonitoringError
from monitoring.ledger.audit import Audit, judge
from monitoring.ledger.cron import Cron
from monitoring.ledger.facts import gather
from monitoring.process import Boot
from monitoring.store import runs, schedules
from monitoring.store.database import Database
from monitoring.store.runs import Run
from monitoring.store.schedules import ScheduleInForce
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
    recent: tuple[Run, ...]

    @property
    def last(self) -> Run | None:
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


def _next_tick(entry: ScheduleInForce, now: datetime) -> datetime | None:
    if not entry.schedule.enabled:
        return None
    try:
        return Cron.parse(entry.schedule.cron).next_after(now)
    except MonitoringError:
        return None
