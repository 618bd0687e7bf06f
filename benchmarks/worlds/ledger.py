"""A ledger as a host fills it, written through the store's own functions: runs, failures, missed ticks, alerts."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

from monitoring.alerts.message.model import Alert
from monitoring.base.process_identity import current_boot
from monitoring.ledger.cron import Cron
from monitoring.store.db.database import Database, Tx
from monitoring.store.tables import runs, schedules
from monitoring.store.tables.runs import TaskRun
from monitoring.store.tables.schedules import Schedule
from tests.support.filled import store

CRONS = {"hourly": "5,35 * * * *", "daily": "19 8 * * *", "multisig": "0/10 * * * *"}
TASKS = {"hourly": 6, "daily": 3, "multisig": 1}
OUTPUT = "reading 12 markets at block 21442001\n" * 5


def fill(database: Database, now: datetime, days: int) -> int:
    """Write the ledger of so many days up to now; return how many ticks it holds."""
    begins_at, chance = now - timedelta(days=days), random.Random(5)
    ticks = sorted((tick, name) for name, cron in CRONS.items() for tick in Cron.parse(cron).ticks(begins_at, now))
    boot = current_boot()
    with database.write() as tx:
        schedules.record_in_force(tx, [Schedule(name, cron) for name, cron in CRONS.items()], begins_at, "benchmark")
    for start in range(0, len(ticks), 5000):
        with database.write() as tx:
            for tick, profile in ticks[start : start + 5000]:
                _tick(tx, profile, tick, chance, boot.id)
    return len(ticks)


def _tick(tx: Tx, profile: str, tick: datetime, chance: random.Random, boot_id: str) -> None:
    lot = chance.random()
    if lot < 0.002:
        status, reason = ("missed", "the scheduler was not running") if lot < 0.001 else ("skipped", "run 1 was going")
        runs.insert_unserved(tx, profile, tick, status, reason=reason, held_by=None)  # type: ignore[arg-type]
        return
    # A host that was never restarted: any other number would mean a step of its clock between each two runs.
    uptime_ticks = int(tick.timestamp() * 100)
    at, ended_at, fails = tick + timedelta(seconds=0.4), tick + timedelta(seconds=9), lot < 0.007
    run_id = runs.begin(
        tx, profile, tick_at=tick, trigger="cron", now=at, process=f"4711:{uptime_ticks}:{boot_id}",
        revision="4f2a9c1b7d30", tasks_total=TASKS[profile],
    )  # fmt: skip
    for number in range(TASKS[profile]):
        failed = fails and number == 0
        runs.record_task(tx, TaskRun(
            run_id, f"task-{number}", "failed" if failed else "ok", "exit 1: no provider" if failed else "", at,
            ended_at, 8.6, int(failed), None, 1, 0.9, 41_000_000, len(OUTPUT), OUTPUT,
        ))  # fmt: skip
    runs.finish(tx, run_id, "failed" if fails else "ok", exit_code=int(fails), reason="", now=ended_at)
    if lot > 0.9:
        store(tx, Alert("LOW", "Utilisation above 90 %", protocol="aave"), ended_at, run_id=run_id)
