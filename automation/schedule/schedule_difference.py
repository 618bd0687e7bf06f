"""A profile's schedule as the ledger stores it, and how jobs.yaml differs from the schedules in force.

For those who only look (`status`, `doctor`) and for the run: nothing of what a scheduler's start writes is loaded here.
"""

from __future__ import annotations

from automation.jobs.model import Jobs, Profile
from monitoring.store.db.database import Database
from monitoring.store.tables import schedules
from monitoring.store.tables.schedules import Schedule


def schedule_of(profile: Profile) -> Schedule:
    """Return the schedule of a profile as the ledger stores it."""
    return Schedule(
        profile=profile.name,
        cron=profile.cron.canonical,
        enabled=profile.enabled,
        sync_before_run=profile.sync_before_run,
        catch_up=profile.catch_up,
        max_age_s=profile.max_age_s,
    )


def waiting_for_restart(jobs: Jobs, database: Database) -> list[str]:
    """Return how jobs.yaml differs from what the scheduler serves: this takes effect at its restart.

    A new database does not know yet what is served: the next run writes it down.
    """
    served = {entry.schedule.profile: entry.schedule for entry in schedules.in_force(database)}
    if not served:
        return []
    written = {name: schedule_of(profile) for name, profile in jobs.profiles.items()}
    return [
        note
        for name in sorted(served.keys() | written.keys())
        if (note := _difference(name, served.get(name), written.get(name)))
    ]


def _difference(name: str, served: Schedule | None, written: Schedule | None) -> str:
    is_served, is_written = served is not None and served.enabled, written is not None and written.enabled
    if served is not None and written is not None and is_served and is_written and served.cron != written.cron:
        return f"profile {name}: cron is {written.cron} in jobs.yaml, but still {served.cron} in the scheduler"
    if is_written and not is_served:
        return f"profile {name}: in jobs.yaml, not served until a restart"
    if is_served and written is not None and not is_written:
        return f"profile {name}: disabled in jobs.yaml, served until a restart"
    if is_served and not is_written:
        return f"profile {name}: removed from jobs.yaml, served until a restart"
    return ""
