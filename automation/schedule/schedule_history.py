"""The schedules in force, written into the ledger when a scheduler starts.

Yesterday is judged by yesterday's schedule, so what a scheduler serves is recorded when it starts.
"""

from __future__ import annotations

import logging
from datetime import datetime

from automation.jobs.configured import configured_protocols
from automation.jobs.model import Jobs
from automation.schedule.schedule_difference import schedule_of
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
from monitoring.store.tables import configured_protocols as stored_protocols
from monitoring.store.tables import scheduler_events, schedules

log = logging.getLogger("automation.schedule.schedule_history")


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
            _record(database, jobs, settings, kind, since, host.boot())
            reconcile(database, now=clock.now(), boot=host.boot(), is_alive=host.is_alive, believed=believed)
            prepare(settings.cache_dir, clock.now())
            unstored.prepare(settings.cache_dir)
    except (StoreError, OSError) as error:
        log.error("the schedule in force could not be recorded: %s", error)  # noqa: TRY400 - one line for the operator
        return False
    return True


def _record(database: Database, jobs: Jobs, settings: Settings, kind: str, now: datetime, boot: Boot) -> None:
    protocols = configured_protocols(jobs, settings.checkout)
    with database.write() as tx:
        schedules.record_in_force(tx, map(schedule_of, jobs.profiles.values()), now, kind)
        scheduler_events.record_scheduler_start(tx, started_at=now, booted_at=boot.at, kind=kind)
        stored_protocols.put(tx, protocols, now)
