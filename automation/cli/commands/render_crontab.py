"""`render-crontab`: the crontab on stdout and nothing else, or every mistake that prevents it.

With `--activate FILE` (the unit's `ExecStartPre`) it is written to the file and recorded as in force instead.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from automation.cli.console import write_exactly
from automation.jobs.crontab import render_crontab, write_crontab
from automation.jobs.load import load_jobs
from automation.schedule import cache_backend
from automation.schedule.schedule_history import put_in_force
from monitoring.base.errors import UsageError
from monitoring.base.settings import Settings

HELP = "print the crontab that supercronic runs"
EXAMPLES = """\
python -m automation render-crontab                           # of automation/jobs.yaml
python -m automation render-crontab --config other.yaml       # of another file
python -m automation render-crontab --activate /tmp/crontab   # write it, and record the schedule as in force"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--activate", type=Path, metavar="FILE", help="replace FILE atomically and record the schedule as in force"
    )


def run(args: argparse.Namespace, settings: Settings) -> int:
    jobs = load_jobs(args.config, settings.checkout)
    crontab = render_crontab(jobs)
    if args.activate is None:
        write_exactly(crontab)
        return 0
    try:
        write_crontab(crontab, args.activate)
    except OSError as error:
        raise UsageError(f"{args.activate}: the crontab cannot be written: {error.strerror}") from error
    cache_backend.settle(settings)
    put_in_force(jobs, settings, "cron")
    return 0
