"""`status`: the state of this host on one screen."""

from __future__ import annotations

import argparse
import sys

from automation.cli.console import write_json
from automation.status.collect import look
from automation.status.render import as_json, lines
from monitoring.base.clock import SystemClock
from monitoring.base.settings import Settings

HELP = "show the state of this host on one screen"
EXAMPLES = """\
python -m automation status          # scheduler, profiles, firing, waiting, out of date
python -m automation status --json   # as JSON"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace, settings: Settings) -> int:
    status = look(settings, args.config, SystemClock().now())
    if args.json:
        write_json(as_json(status))
    else:
        sys.stdout.write("".join(line + "\n" for line in lines(status)))
    return 0
