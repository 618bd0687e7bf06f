"""`render-crontab`: the crontab on stdout and nothing else, or every reason why there is none."""

from __future__ import annotations

import argparse
import sys

from automation.config import load_jobs
from automation.crontab import render_crontab
from monitoring.settings import Settings

EXAMPLES = """\
python -m automation render-crontab                      # of the jobs.yaml in force
python -m automation render-crontab --config other.yaml  # what another file would schedule"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    pass


def run(args: argparse.Namespace, settings: Settings) -> int:
    sys.stdout.write(render_crontab(load_jobs(args.config, settings.checkout)))
    return 0
