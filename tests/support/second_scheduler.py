"""Runs the embedded scheduler on schedules of seconds: `second_scheduler.py LOG STOP_LIMIT_S name=period_s:run_s …`.

Each run writes `start`, then sleeps, then writes `end` (or `term` on SIGTERM); each tick not started writes
`unserved`. All lines go to LOG, so that a test sees what an observer saw.
"""

from __future__ import annotations

import os
import sys
from datetime import datetime, timedelta
from pathlib import Path

from automation.schedule.scheduler import Scheduler
from monitoring.base import log as logging_setup
from monitoring.base.clock import SystemClock, from_text

RUN = """
import os, signal, sys, time
log, name, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
def say(word):
    with open(log, "a") as file:
        file.write(f"{word} {name} {os.environ['AUTOMATION_TICK']} {time.time()} {os.getpid()}\\n")
def term(*_):
    say("term")
    os._exit(143)
signal.signal(signal.SIGTERM, term)
say("start")
time.sleep(seconds)
say("end")
"""
START = from_text("2026-01-01T00:00:00Z")


class Every:
    """Ticks every `seconds` since an epoch."""

    def __init__(self, seconds: float) -> None:
        self._period = timedelta(seconds=seconds)

    def next_after(self, instant: datetime, /) -> datetime:
        return START + ((instant - START) // self._period + 1) * self._period


class SteppedClock(SystemClock):
    """The system's clock, set back by an hour or forward by a year once a file appears."""

    def __init__(self, log: str) -> None:
        self._steps = {
            Path(f"{log}.step-back"): -timedelta(hours=1),
            Path(f"{log}.step-forward"): timedelta(days=365),
        }

    def now(self) -> datetime:
        return super().now() + sum((by for mark, by in self._steps.items() if mark.exists()), timedelta(0))


def main() -> None:
    log, stop_limit_s, *profiles = sys.argv[1:]
    logging_setup.set_up(os.environ)
    schedules, lengths = {}, {}
    for profile in profiles:
        name, _, rest = profile.partition("=")
        period, _, length = rest.partition(":")
        schedules[name], lengths[name] = Every(float(period)), length

    def unserved(name: str, tick_at: datetime, reason: str, pid: int | None) -> None:
        with Path(log).open("a") as file:
            file.write(f"unserved {name} {tick_at.isoformat()} {pid} {reason}\n")

    Scheduler(
        crons=schedules,
        command=lambda name: [sys.executable, "-c", RUN, log, name, lengths[name]],
        environ=dict(os.environ),
        unserved=unserved,
        clock=SteppedClock(log),
        stop_limit_s=float(stop_limit_s),
    ).serve()


if __name__ == "__main__":
    main()
