"""`status`: one screen for whoever just logged in."""

from __future__ import annotations

import argparse
import sys

from automation.console import write_json
from automation.status import look
from automation.status_text import as_json, lines
from monitoring.clock import SystemClock
from monitoring.settings import Settings

EXAMPLES = """\
python -m automation status          # scheduler, profiles, what fires, what waits, what is out of date
python -m automation status --json   # the same for programs"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace, settings: Settings) -> int:
    status = look(settings, args.config, SystemClock().now())
    if args.json:
        write_json(as_json(status))
    else:
        sys.stdout.write("".join(line + "\n" for line in lines(status)))
    return 0
