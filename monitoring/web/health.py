"""Whether `/healthz` may say ok: the database answers, no enabled profile is overdue, people are being reached.

The reasons come from the same facts as the audit; a profile is judged by its newest due tick past the grace.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from monitoring.base.errors import MonitoringError
from monitoring.base.process_identity import Boot, is_alive_text
from monitoring.ledger import reach
from monitoring.ledger.cron import Cron
from monitoring.ledger.outcomes import gather
from monitoring.ledger.ticks import GRACE
from monitoring.store.db.database import Database
from monitoring.store.tables import runs, schedules
from monitoring.store.tables.schedules import ScheduleInForce

_INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Overdue:
    """A profile whose newest due tick nobody ran."""

    profile: str
    tick_at: datetime
    reason: str

    def __str__(self) -> str:
        return f"{self.profile} is overdue: the tick of {self.tick_at:%Y-%m-%d %H:%M} UTC was missed ({self.reason})"


def reasons(database: Database, now: datetime, boot: Boot) -> list[str]:
    """Return why the system is not healthy; empty if it is."""
    found = [str(overdue) for overdue in overdue_profiles(database, now, boot)]
    return found + [str(reason) for reason in reach.reach_problems(database, now)]


def overdue_profiles(
    database: Database, now: datetime, boot: Boot, is_alive: Callable[[str], bool] = is_alive_text
) -> list[Overdue]:
    """Return the enabled profiles that should have run and did not."""
    found = (_overdue(database, entry, now, boot, is_alive) for entry in schedules.in_force(database))
    return [overdue for overdue in found if overdue is not None]


def _overdue(
    database: Database,
    entry: ScheduleInForce,
    now: datetime,
    boot: Boot,
    is_alive: Callable[[str], bool],
) -> Overdue | None:
    tick_at = newest_due(entry, now)
    if tick_at is None:
        return None
    profile = entry.schedule.profile
    ran = next(
        (run for run in runs.latest(database, profile, limit=20) if run.status not in ("skipped", "missed")), None
    )
    if ran is not None and ran.started_at >= tick_at:
        return None
    if ran is not None and ran.status == "running":
        gone = ran.process is not None and not is_alive(ran.process)
        return Overdue(profile, tick_at, f"run {ran.id} died without a word") if gone else None
    facts = gather(database, since=tick_at, until=tick_at + _INSTANT, now=now, boot=boot, profile=profile)
    fate = facts.ticks[-1] if facts.ticks else None
    return Overdue(profile, tick_at, fate.reason) if fate is not None and fate.status == "missed" else None


def newest_due(entry: ScheduleInForce, now: datetime) -> datetime | None:
    """Return the newest tick of an enabled schedule that is past its grace; none while the first is to come."""
    if not entry.schedule.enabled:
        return None
    try:
        tick_at = Cron.parse(entry.schedule.cron).previous_at_or_before(now - GRACE)
    except (MonitoringError, ValueError):
        return None
    return tick_at if tick_at > entry.effective_from else None
