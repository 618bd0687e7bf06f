"""`explain`: what the checks of a monitor see now, and what would be sent; it stores and sends nothing."""

from __future__ import annotations

import argparse

from automation.cli.checks_child import run_checks
from monitoring.base.settings import Settings

HELP = "show what a monitor sees now and would report; stores nothing"
EXAMPLES = """\
python -m automation explain protocols/cap/monitor.yaml                # value, limit, state, message
python -m automation explain protocols/cap/monitor.yaml --check backing
python -m automation explain protocols/example/main.py                 # a Python monitor"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="+", metavar="FILE", help="a monitor.yaml, or the script of a Python monitor")
    parser.add_argument("--check", metavar="ID", help="show only this check of a monitor.yaml")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace, settings: Settings) -> int:
    options = [*(["--check", args.check] if args.check else []), *(["--json"] if args.json else [])]
    return run_checks(settings, "explain", *options, *args.files)
