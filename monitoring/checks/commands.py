"""The verbs of `python -m monitoring.checks`. Results go to stdout, everything else to stderr.

Exit codes: 0 ok; 1 a check crashed, or the store failed; 2 a file with mistakes, or a wrong command line.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from monitoring import log
from monitoring.alerts.task_frame import open_frame
from monitoring.checks.builtin import TYPES
from monitoring.checks.files import load_all
from monitoring.checks.listing import lines_of
from monitoring.checks.runner import Run
from monitoring.clock import SystemClock
from monitoring.errors import UsageError

_FILE_HELP = "a monitor.yaml"


def main(argv: Sequence[str]) -> int:
    """Parse the command line and do what it says."""
    options = _parser().parse_args(argv)
    try:
        code: int = options.act(options)
    except UsageError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m monitoring.checks", description="Run and look at monitor files.")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    run = verbs.add_parser("run", help="read, judge and record; started by hand it also delivers")
    run.add_argument("files", nargs="+", metavar="FILE", help=_FILE_HELP)
    run.set_defaults(act=_run)
    return parser


def _run(options: argparse.Namespace) -> int:
    """Run every sound file; mistakes in the others are said first and make the exit code 2."""
    frame = open_frame(os.environ)
    log.set_up(frame.settings.environ)
    monitors, mistakes = load_all(options.files, TYPES)
    for mistake in mistakes:
        sys.stderr.write(mistake + "\n")
    run = Run(monitors, TYPES, frame.settings, frame.origin, SystemClock())
    try:
        outcome = run()
    finally:
        run.close()
    for line in lines_of(outcome.seen):
        sys.stdout.write(line + "\n")
    sys.stdout.flush()
    if frame.by_hand and outcome.stored:
        frame.deliver()
    return 2 if mistakes else int(outcome.trouble)
