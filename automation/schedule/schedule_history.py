"""Which schedules are in force: written into the ledger when a scheduler starts, compared with jobs.yaml by others.

Yesterday is judged by yesterday's schedule, so what a scheduler serves is recorded when it starts.
"""

from __future__ import annotations

import logging
from datetime import datetime

from automation.jobs.model import Jobs, Profile
from monitoring.base.clock import Clock, SystemClock
from monitoring.base.errors import StoreError
from monitoring.base.process_identity import THIS_HOST, Boot, Host
from monitoring.base.settings import Settings
from monitoring.ledger.clock_steps import believed_now
from monitoring.ledger.reconcile import reconcile
from monitoring.ledger.spool import prepare
from monitoring.store.db.database import Database
from monitoring.store.maintenance.repair import open_or_repair
from monitoring.store.spool import unstored
from monitoring.store.tables import scheduler_events, schedules
from monitoring.store.tables.schedules import Schedule

log = logging.getLogger("automation.schedule.schedule_history")


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


def put_in_force(
    jobs: Jobs,
    settings: Settings,
    kind: str,
    clock: Clock | None = None,
    host: Host = THIS_HOST,
    *,
    since: datetime | None = None,
) -> bool:
    """Record that a scheduler starts now with these schedules, and what became of the ticks before.

    Their ticks are due from `since` on (else now), which is also when the scheduler started: recording it may take
    longer than the next tick is away. A ledger that cannot be written is logged, returns False and stops no scheduler.
    """
    clock = clock or SystemClock()
    since = since or clock.now()
    try:
        settings.cache_dir.mkdir(parents=True, exist_ok=True)
        database, _ = open_or_repair(settings.database, clock)
        with database:
            believed = believed_now(database, clock.now(), host.boot())
            _record(database, jobs, kind, since, host.boot())
            reconcile(database, now=clock.now(), boot=host.boot(), is_alive=host.is_alive, believed=believed)
            prepare(settings.cache_dir, clock.now())
            unstored.prepare(settings.cache_dir)
    except (StoreError, OSError) as error:
        log.error("the schedule in force could not be recorded: %s", error)  # noqa: TRY400 - one line for the operator
        return False
    return True


def _record(database: Database, jobs: Jobs, kind: str, now: datetime, boot: Boot) -> None:
    with database.write() as tx:
        schedules.record_in_force(tx, map(schedule_of, jobs.profiles.values()), now, kind)
        scheduler_events.record_scheduler_start(tx, started_at=now, booted_at=boot.at, kind=kind)


def waiting_for_restart(jobs: Jobs, database: Database) -> list[str]:
    """Return how jobs.yaml differs from what the scheduler serves: this takes effect at its restart."""
    served = {entry.schedule.profile: entry.schedule for entry in schedules.in_force(database)}
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
    if is_served and not is_written:
        return f"profile {name}: removed from jobs.yaml, served until a restart"
    return ""
