"""Which profiles make up for a missed tick after a start: once for each tick, only the newest, never a stampede.

Called by the verb `catch-up`. What was caught up is remembered by the ledger itself: any run that began after the
tick has started since, by hand or not.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from automation.jobs.model import Profile
from monitoring.ledger.ticks import due_ticks
from monitoring.store.db.database import Database
from monitoring.store.tables import runs, schedules
from monitoring.store.tables.runs import RunRow

MAX_AGE = timedelta(days=1)  # where the profile names none
# A catch-up that would still run at the next tick would take that one's place.
_LEAST_ROOM = timedelta(seconds=30)


class CatchUpReason(Enum):
    """Why a profile is caught up, or why not; the value is what an operator reads."""

    RUN = "its newest tick was missed"
    NOT_ASKED = "jobs.yaml does not ask for it (it has no catch_up: latest)"
    DISABLED = "it is disabled"
    NOTHING_DUE = "no tick was due within its max_age"
    ANSWERED = "its newest tick was not missed"
    RAN_SINCE = "it has run since its newest tick"
    NEXT_IS_NEAR = "its next tick is near"


@dataclass(frozen=True, slots=True)
class CatchUpDecision:
    """What is done about one profile, and the tick in question."""

    profile: str
    reason: CatchUpReason
    tick_at: datetime | None = None


def decide(
    profile: Profile, tick_at: datetime | None, row: RunRow | None, last: RunRow | None, now: datetime
) -> CatchUpDecision:
    """Decide about one profile. Pure.

    Args:
        profile: as jobs.yaml has it now.
        tick_at: its newest tick that was due within its `max_age`, by the schedule of the time.
        row: what answers that tick; none if nothing has been written yet.
        last: the newest run of the profile that really ran.
        now: the wall clock.
    """
    if profile.catch_up != "latest" or not profile.enabled:
        return CatchUpDecision(
            profile.name, CatchUpReason.DISABLED if profile.catch_up == "latest" else CatchUpReason.NOT_ASKED
        )
    if tick_at is None:
        return CatchUpDecision(profile.name, CatchUpReason.NOTHING_DUE)
    return CatchUpDecision(profile.name, _about_tick(profile, tick_at, row, last, now), tick_at)


def _about_tick(
    profile: Profile, tick_at: datetime, row: RunRow | None, last: RunRow | None, now: datetime
) -> CatchUpReason:
    if row is not None and row.status != "missed":
        return CatchUpReason.ANSWERED
    if last is not None and last.started_at >= tick_at:
        return CatchUpReason.RAN_SINCE
    if profile.cron.next_after(now) - now < max(_LEAST_ROOM, _duration(last) * 2):
        return CatchUpReason.NEXT_IS_NEAR
    return CatchUpReason.RUN


def _duration(run: RunRow | None) -> timedelta:
    """Return how long the last run took; one without a known end says nothing."""
    if run is None or run.ended_at is None or run.has_vanished:
        return timedelta(0)
    return max(run.ended_at - run.started_at, timedelta(0))


def max_age(profile: Profile) -> timedelta:
    return timedelta(seconds=profile.max_age_s) if profile.max_age_s is not None else MAX_AGE


def look(database: Database, profile: Profile, now: datetime) -> CatchUpDecision:
    """Decide about one profile by what the ledger holds; bring that up to date first."""
    tick_at = newest_tick(database, profile, now)
    row = runs.of_tick(database, profile.name, tick_at) if tick_at else None
    return decide(profile, tick_at, row, runs.last_started(database, profile.name), now)


def newest_tick(database: Database, profile: Profile, now: datetime) -> datetime | None:
    """Return the newest due tick of a profile that is not older than its `max_age`."""
    since = now - max_age(profile)
    spans = [span for span in schedules.history(database, since, now) if span.schedule.profile == profile.name]
    return max((tick for span in spans for tick in due_ticks(span, since, now)), default=None)
