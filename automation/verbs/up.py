"""`up`: the whole system in one foreground process tree, without root, systemd or supercronic."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from automation.config import Jobs, load_jobs
from automation.in_force import put_in_force
from automation.record import RunRecord
from automation.scheduler import Scheduler
from automation.web_child import WebChild, web_environment
from monitoring.clock import SystemClock, parse_duration
from monitoring.settings import Settings

log = logging.getLogger("automation.up")

EXAMPLES = """\
python -m automation up                   # serve every enabled profile until Ctrl-C
python -m automation up --stop-limit 10s  # on Ctrl-C give running profiles ten seconds
python -m automation up --no-web          # without the API and the dashboard"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--stop-limit", default="60s", metavar="TIME", help="how long running profiles may finish")
    parser.add_argument("--no-web", action="store_true", help="do not serve the API and the dashboard")


def run(args: argparse.Namespace, settings: Settings) -> int:
    config = Path(args.config).absolute()
    jobs = load_jobs(config, settings.checkout)
    stop_limit_s = parse_duration(args.stop_limit).total_seconds()
    put_in_force(jobs, settings, "embedded")
    environ = {**os.environ, "PYTHONPATH": str(settings.checkout)}
    scheduler = Scheduler(
        crons={name: profile.cron for name, profile in jobs.profiles.items() if profile.enabled},
        command=lambda profile: [sys.executable, "-m", "automation", "--config", str(config), "run", profile],
        environ=environ,
        unserved=lambda *tick: _unserved(settings, *tick),
        clock=SystemClock(),
        stop_limit_s=stop_limit_s,
        companion=None if args.no_web else WebChild(web_environment(settings)),
    )
    log.info("serving %s in UTC; Ctrl-C ends it", ", ".join(_names(jobs)) or "no profile")
    scheduler.serve()
    return 0


def _names(jobs: Jobs) -> Iterable[str]:
    return (name for name, profile in jobs.profiles.items() if profile.enabled)


def _unserved(settings: Settings, profile: str, tick_at: datetime, reason: str, pid: int | None) -> None:
    """Write the row of a tick that was not started."""
    record = RunRecord(settings.database, profile, "embedded", SystemClock(), tick_at)
    try:
        record.not_started(tick_at, "skipped" if pid else "missed", reason)
    finally:
        record.close()
