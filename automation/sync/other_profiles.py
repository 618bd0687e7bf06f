"""Whether every profile that ran before still runs since the newest revision was activated.

Called before each sync. The profile that syncs is judged at once, by its first run; the others when their ticks have
come and gone.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from automation.sync.probation import Probation
from monitoring.base.errors import StoreError
from monitoring.base.locks.profile_lock import running_profiles
from monitoring.base.process_identity import Boot
from monitoring.ledger.causes import ALIVE
from monitoring.ledger.reconcile import explain
from monitoring.ledger.ticks import GRACE, due_ticks
from monitoring.store.db.database import Database
from monitoring.store.db.schema import open_readonly
from monitoring.store.tables import runs, schedules
from monitoring.store.tables.runs import RunRow
from monitoring.store.tables.schedules import ScheduleInForce

_BEFORE = timedelta(days=7)
# By then also a daily profile has had a tick. Later deaths are the launcher's, which counts starts.
_WATCHED = timedelta(days=2)
_SYNC_TIME = timedelta(minutes=10)


def silenced_profile(database: Path, locks: Path, probation: Probation, now: datetime, boot: Boot) -> str:
    """Say which profile the newest revision has silenced, in a clause; nothing if there is none, or nobody can know.

    A profile counts that ran in the week before, has not begun one run of this revision, is not at work right now, and
    had a tick since that nothing but a death before the row explains: the scheduler lived through it.
    """
    if not timedelta(0) <= now - probation.since < _WATCHED:
        return ""
    busy = running_profiles(locks)
    try:
        with open_readonly(database) as opened:
            for entry in schedules.in_force(opened):
                if entry.schedule.profile not in busy and _is_silent(opened, entry, probation, now, boot):
                    return f"{entry.schedule.profile}, which ran before, has written no row since it was activated"
    except StoreError:
        pass
    return ""


def has_run(database: Path, probation: Probation, now: datetime) -> bool:
    """Return whether any run of the revision has written its end."""
    try:
        with open_readonly(database) as opened:
            found = _of_revision(opened, probation, now)
    except StoreError:
        return False
    return any(run.ended_at is not None and not run.has_vanished for run in found)


def _is_silent(database: Database, entry: ScheduleInForce, probation: Probation, now: datetime, boot: Boot) -> bool:
    profile, since, until = entry.schedule.profile, probation.since, now - GRACE
    if _of_revision(database, probation, now, profile):
        return False
    answered = runs.answered_ticks(database, profile, since, until, but_missed=True)
    unanswered = [tick for tick in due_ticks(entry, since, until) if tick not in answered]
    if not any(tick.reason == ALIVE for tick in explain(database, profile, unanswered, boot)):
        return False
    earlier = runs.between(database, since - _BEFORE, since, profile)
    return any(run.status not in ("skipped", "missed") for run in earlier)


def _of_revision(database: Database, probation: Probation, now: datetime, profile: str | None = None) -> list[RunRow]:
    # The first run bears the start of the process that activated the revision, a little before.
    found = runs.between(database, probation.since - _SYNC_TIME, now, profile)
    return [run for run in found if run.revision == probation.revision]
