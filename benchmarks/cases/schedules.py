"""A thousand schedules that are due in one instant: how late each is started, by our scheduler and by supercronic."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from automation.schedule.scheduler import Scheduler
from benchmarks.cases import CASES
from benchmarks.measuring import CHECKOUT, Curve, Goal, Result, Role, Size, Way, environment, python, ratios
from monitoring.base.clock import SystemClock
from monitoring.ledger.cron import Cron

WHY = "both start the same 1,000 processes; the one who starts them in Python needs more CPU for each."


def measure(size: Size) -> Result:
    result = Result(CASES["schedules"].title, CASES["schedules"].about)
    count, rounds = size.pick(1000, 300, 5), size.pick(3, 1, 1)
    binary = CHECKOUT / ".tools/parts/supercronic"
    found = str(binary) if binary.exists() else shutil.which("supercronic")
    ours, theirs = Way("the scheduler of `up`", Role.OURS), Way("supercronic", Role.ALTERNATIVE)
    lead_s = size.pick(4.0, 4.0, 1.2)
    for _ in range(rounds):
        ours.add(**_lateness("ours", [], count, lead_s))
        if found and size is not Size.SMALLEST:
            theirs.add(**_lateness("supercronic", [found], count, lead_s))
    result.ways = [ours, theirs] if theirs.samples else [ours]
    if theirs.samples:
        later = ratios(ours, theirs, "p99 ms late")
        result.goals = [Goal(f"{count} schedules, lateness of 99 of 100, of supercronic's", later, 1, why=WHY)]
    else:
        result.notes = ["supercronic is not installed here: `make bench` builds it where there is a Go"]
    if size is Size.FULL:
        points = [(each, _lateness("ours", [], each, lead_s)["p99 ms late"]) for each in (10, 100)]
        points.append((count, ours.median("p99 ms late")))
        result.curves = [Curve("Schedules due at once", "schedules", "ms late (p99)", {"ours": points})]
    return result


def _lateness(name: str, command: Sequence[str], count: int, lead_s: float) -> dict[str, float]:
    """Serve one instant; return how late the commands began. A late one is late by its own clock, in ns."""
    with tempfile.TemporaryDirectory() as directory:
        into, due_s = Path(directory) / "began", float(int(time.time() + lead_s + count / 500))
        job = f"date +%s%N >> {into}"
        into.touch()
        if name == "ours":
            command = python("-m", "benchmarks.cases.schedules", str(count), str(due_s), job)
        else:
            due = time.gmtime(due_s)
            crontab = Path(directory) / "crontab"
            crontab.write_text(f"{due.tm_sec} {due.tm_min} {due.tm_hour} * * * *\t{job}\n" * count)
            command = [*command, "-quiet", str(crontab)]
        with subprocess.Popen(
            command, cwd=CHECKOUT, env=environment(TZ="UTC"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as server:
            ends_at = time.time() + lead_s + 60
            while len(began := into.read_text().split()) < count and time.time() < ends_at:
                time.sleep(0.2)
            server.send_signal(signal.SIGTERM)
            used = os.wait4(server.pid, 0)[2]
            server.returncode = 0
    late = sorted(int(each) / 1e6 - due_s * 1000 for each in began)
    if len(late) < count:
        raise RuntimeError(f"{name} started {len(late)} of {count}")
    return {
        "p50 ms late": late[len(late) // 2], "p99 ms late": late[int(len(late) * 0.99)], "longest ms late": late[-1],
        "CPU ms, children included": (used.ru_utime + used.ru_stime) * 1000,
    }  # fmt: skip


class ShiftedClock(SystemClock):
    """The machine's clock, moved so that an instant of it is a whole minute: schedules know no seconds."""

    def __init__(self, due_s: float) -> None:
        self._ahead = timedelta(seconds=-due_s % 60)

    def now(self) -> datetime:
        return super().now() + self._ahead


def main() -> None:
    """Serve so many schedules, each due every minute, with a clock by which a given instant is a minute."""
    count, due_s, job = int(sys.argv[1]), float(sys.argv[2]), sys.argv[3]
    crons: Mapping[str, Cron] = {f"p{number}": Cron.parse("* * * * *") for number in range(count)}
    Scheduler(
        crons, lambda _: ["/bin/sh", "-c", job], os.environ, lambda *_: None, ShiftedClock(due_s), stop_limit_s=20
    ).serve()


if __name__ == "__main__":
    main()
