"""`up`: the whole system in one foreground process tree, without root, systemd or supercronic."""

from __future__ import annotations

import argparse
import logging
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from automation.cli import zone
from automation.jobs.load import load_jobs
from automation.jobs.model import Jobs
from automation.runner.run_record import RunRecord
from automation.schedule import cache_backend
from automation.schedule.chat_child import chat_child
from automation.schedule.schedule_history import put_in_force
from automation.schedule.scheduler import Scheduler
from automation.schedule.web_child import DEFAULT_PORT, web_child
from monitoring.base.clock import SystemClock, parse_duration
from monitoring.base.formatting import format_duration
from monitoring.base.locks.profile_lock import SingleLock, usable_locks
from monitoring.base.settings import Settings

log = logging.getLogger("automation.up")

HELP = "run the whole system in the foreground, without systemd"
EXAMPLES = """\
python -m automation up                   # run every enabled profile on schedule until Ctrl-C
python -m automation up --stop-limit 10s  # on Ctrl-C, wait up to 10 s for current runs
python -m automation up --no-web          # without the API and the dashboard"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--stop-limit", default="60s", metavar="TIME", help="on Ctrl-C, how long to wait for current runs (default 60s)"
    )
    parser.add_argument("--no-web", action="store_true", help="do not serve the API and the dashboard")


def run(args: argparse.Namespace, settings: Settings) -> int:
    config = Path(args.config).absolute()
    jobs = load_jobs(config, settings.checkout)
    stop_limit_s = parse_duration(args.stop_limit).total_seconds()
    lock = SingleLock(usable_locks(settings.locks), "scheduler")
    lock.take_or_refuse()
    environ = {**settings.environ, **os.environ, "PYTHONPATH": str(settings.checkout)}
    command = [sys.executable, "-m", "automation", "--config", str(config)]
    reader, chat_words = chat_child([*command, "listen"], environ, settings, config)
    web = None if args.no_web else web_child(settings)
    scheduler = Scheduler(
        crons={name: profile.cron for name, profile in jobs.profiles.items() if profile.enabled},
        command=lambda profile: [*command, "run", profile],
        environ=environ,
        unserved=lambda *tick: write_unserved(settings, *tick),
        clock=SystemClock(),
        stop_limit_s=stop_limit_s,
        companions=[child for child in (web, reader) if child is not None],
    )
    scheduler.listen()
    cache_backend.settle(settings)
    since = SystemClock().now()
    put_in_force(jobs, settings, "embedded", since=since)
    log.info("serving %s in UTC; Ctrl-C stops it", ", ".join(_names(jobs)) or "no profile")
    for line in _outlook(jobs, settings, since, has_web=not args.no_web):
        log.info("%s", line)
    if chat_words:
        log.info("%s", chat_words)
    with _catching_up([*command, "catch-up"], environ, stop_limit_s):
        scheduler.serve(since)
    lock.release()
    return 0


@contextmanager
def _catching_up(command: Sequence[str], environ: Mapping[str, str], stop_limit_s: float) -> Iterator[None]:
    """Catch up missed ticks next to the scheduler, and stop that with it."""
    child = subprocess.Popen(command, env=environ, stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        yield
    finally:
        child.terminate()
        try:
            child.wait(stop_limit_s)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _outlook(jobs: Jobs, settings: Settings, now: datetime, *, has_web: bool) -> Iterator[str]:
    """Say where to look, and until when nothing happens."""
    port = settings.environ.get("MONITORING_API_PORT", "").strip() or DEFAULT_PORT
    if has_web and port != "0":
        host = settings.environ.get("MONITORING_API_HOST", "").strip() or "127.0.0.1"
        yield f"dashboard: http://{f'[{host}]' if ':' in host else host}:{port}/"
    ticks = [(jobs.profiles[name].cron.next_after(now), name) for name in _names(jobs)]
    if ticks:
        tick, name = min(ticks)
        yield f"next tick: {name} at {zone.named(tick)}, in {format_duration(tick - now)}"


def _names(jobs: Jobs) -> Iterable[str]:
    return (name for name, profile in jobs.profiles.items() if profile.enabled)


def write_unserved(settings: Settings, profile: str, tick_at: datetime, reason: str, pid: int | None) -> None:
    """Write the row of a tick that was not started."""
    record = RunRecord(settings.database, profile, "embedded", SystemClock(), tick_at)
    try:
        record.not_started(tick_at, "skipped" if pid else "missed", reason)
    finally:
        record.close()
