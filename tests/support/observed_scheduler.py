"""The embedded scheduler as `up` has it, on schedules of seconds: `observed_scheduler LOG name=period_s …`.

It starts the real `python -m automation run`; only its schedules and its catch-up are not those of `up`. Each process
it starts leaves `started <profile> <tick> <pid>` in LOG, written before anything of ours runs.
"""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

from automation.cli.commands.up import write_unserved
from automation.jobs.load import load_jobs
from automation.schedule.schedule_history import put_in_force
from automation.schedule.scheduler import Scheduler
from monitoring.base import log as logging_setup
from monitoring.base.clock import SystemClock
from monitoring.base.settings import load_settings
from tests.support.second_scheduler import Every

_RUN = (
    'echo "started {name} $AUTOMATION_TICK $$" >>{log}; '
    'OBSERVED_TICK="$AUTOMATION_TICK" exec {python} -m automation run {name}'
)


def main() -> None:
    log, *profiles = sys.argv[1:]
    logging_setup.set_up(os.environ)
    settings = load_settings(os.environ, Path.cwd())
    periods = {name: float(period) for name, _, period in (profile.partition("=") for profile in profiles)}
    scheduler = Scheduler(
        crons={name: Every(period) for name, period in periods.items()},
        command=lambda name: [
            "sh", "-c", _RUN.format(name=name, log=shlex.quote(log), python=shlex.quote(sys.executable)),
        ],
        environ={**os.environ, "PYTHONPATH": str(Path.cwd())},
        unserved=lambda *tick: write_unserved(settings, *tick),
        clock=SystemClock(),
    )  # fmt: skip
    scheduler.listen()
    since = SystemClock().now()
    put_in_force(load_jobs(Path("automation/jobs.yaml"), Path.cwd()), settings, "embedded", since=since)
    scheduler.serve(since)


if __name__ == "__main__":
    main()
