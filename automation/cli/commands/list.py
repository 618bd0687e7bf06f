"""`list`: the profiles, their schedules and next ticks."""

from __future__ import annotations

import argparse
from datetime import datetime

from automation.cli import zone
from automation.cli.console import write_json, write_table
from automation.jobs.load import load_jobs
from automation.jobs.model import Jobs, Profile
from monitoring.base.clock import SystemClock
from monitoring.base.settings import Settings

HELP = "list profiles, their schedules and next ticks"
EXAMPLES = """\
python -m automation list                        # a table on a terminal, plain columns elsewhere
python -m automation list --json                 # as JSON
python -m automation list --config other.yaml    # profiles of another file"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace, settings: Settings) -> int:
    jobs = load_jobs(args.config, settings.checkout)
    now = SystemClock().now()
    if args.json:
        write_json(as_json(jobs, now))
    else:
        write_table(("PROFILE", "CRON", "TASKS (ON/ALL)", zone.heading("NEXT TICK")), as_rows(jobs, now))
    return 0


def as_json(jobs: Jobs, now: datetime) -> list[dict[str, object]]:
    """Return one object for each profile; `next_tick` is null where the profile is disabled."""
    return [
        {
            "name": profile.name,
            "cron": profile.cron.text,
            "enabled": profile.enabled,
            "tasks": {"enabled": len(profile.enabled_tasks), "total": len(profile.tasks)},
            "next_tick": f"{profile.cron.next_after(now):%Y-%m-%dT%H:%M:%SZ}" if profile.enabled else None,
        }
        for profile in jobs.profiles.values()
    ]


def as_rows(jobs: Jobs, now: datetime) -> list[tuple[str, ...]]:
    """Return the cells of the table; tasks are enabled/total."""
    return [
        (profile.name, profile.cron.text, f"{len(profile.enabled_tasks)}/{len(profile.tasks)}", _next(profile, now))
        for profile in jobs.profiles.values()
    ]


def _next(profile: Profile, now: datetime) -> str:
    return zone.at(profile.cron.next_after(now)) if profile.enabled else "disabled"
