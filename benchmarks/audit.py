"""An audit over a year of three profiles (about 70,000 ticks), beside one query a tick.

Run from the checkout: `.venv/bin/python -m benchmarks.audit [--days 365] [--rounds 5]`. The ledger is written through
the store's own functions: a run a tick, tasks with output, some failures, skipped and missed ticks, alerts, silences.
Measured are the audit of the year and of a day, what `/healthz` and the dashboard's headline ask, `status` as a whole
process, and the naive way: for each due tick one query for its row and one for its failing tasks.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from monitoring.alerts.message.model import Alert
from monitoring.base.process_identity import current_boot
from monitoring.ledger.audit import judge, sentence
from monitoring.ledger.cron import Cron
from monitoring.ledger.outcomes import gather
from monitoring.ledger.ticks import due_ticks
from monitoring.store.db.database import Database, Tx
from monitoring.store.db.schema import open_database, open_readonly
from monitoring.store.tables import runs, schedules
from monitoring.store.tables.runs import TaskRun
from monitoring.store.tables.schedules import Schedule
from monitoring.web import health, overview
from tests.support.filled import store

CRONS = {"hourly": "5,35 * * * *", "daily": "19 8 * * *", "multisig": "0/10 * * * *"}
TASKS = {"hourly": 6, "daily": 3, "multisig": 1}
WHOLE = "audit of the whole"
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
    at, ended_at, fails = tick + timedelta(seconds=0.4), tick + timedelta(seconds=9), lot < 0.007
    run_id = runs.begin(
        tx, profile, tick_at=tick, trigger="cron", now=at, process=f"4711:{int(tick.timestamp()) % 10**8}:{boot_id}",
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


def naive(database: Database, since: datetime, until: datetime) -> dict[str, int]:
    """Count the fates of all due ticks as one would write it first: ask for each tick."""
    fates: dict[str, int] = {}
    for entry in schedules.history(database, since, until):
        for tick in due_ticks(entry, since, until):
            row = runs.of_tick(database, entry.schedule.profile, tick)
            if row is None:
                status = "missed"
            else:
                failed = [task for task in runs.tasks(database, row.id) if task.status not in ("ok", "running")]
                status = "failed" if failed else row.status
            fates[status] = fates.get(status, 0) + 1
    return fates


def seconds(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        path, now = Path(directory) / "monitoring.db", datetime.now(UTC)
        with open_database(path) as database:
            ticks = fill(database, now, args.days)
        ways = {**in_process(path, now, args.days), **whole_processes(directory, args.days)}
        # One of each in every round, so that the ratios hold on a machine that drifts.
        rounds = [{name: seconds(act) for name, act in ways.items()} for _ in range(args.rounds)]
        size = path.stat().st_size
    print(f"{ticks} ticks, {size / 1e6:.0f} MB; medians of {args.rounds}")
    medians = {name: statistics.median(each[name] for each in rounds) for name in ways}
    for name, median in medians.items():
        print(f"{name:<42}{median * 1000:9.1f} ms{median / medians[WHOLE]:9.3f} x")


def in_process(path: Path, now: datetime, days: int) -> dict[str, Callable[[], object]]:
    database, boot = open_readonly(path), current_boot()
    since, day = now - timedelta(days=days), now - timedelta(days=1)
    return {
        WHOLE: lambda: judge(gather(database, since=since, until=now, now=now, boot=boot)),
        "one query a tick (naive)": lambda: naive(database, since, now),
        "audit of a day": lambda: judge(gather(database, since=day, until=now, now=now, boot=boot)),
        "/healthz": lambda: health.reasons(database, now, boot),
        "dashboard: headline": lambda: sentence(overview.audit(database, now, boot)),
        "dashboard: profiles": lambda: overview.profiles(database, now, boot),
    }


def whole_processes(directory: str, days: int) -> dict[str, Callable[[], object]]:
    environ = {**os.environ, "CACHE_DIR": directory, "MONITORING_ENV_FILE": ""}

    def process(*arguments: str) -> Callable[[], object]:
        command = [sys.executable, *arguments]
        return lambda: subprocess.run(command, env=environ, capture_output=True, check=False)

    automation = ("-m", "automation")
    return {
        "python -c pass, whole process": process("-c", "pass"),
        "`automation status`, whole process": process(*automation, "status"),
        "`automation audit`, whole process": process(*automation, "audit"),
        f"`automation audit --since {days}d`, whole process": process(*automation, "audit", "--since", f"{days}d"),
    }


if __name__ == "__main__":
    main()
