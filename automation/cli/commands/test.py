"""`test`: runs the drills of one monitor."""

from __future__ import annotations

import argparse

from automation.cli.checks_child import run_checks
from monitoring.base.settings import Settings

HELP = "run the drills of a monitor: what it must fire on, and what not"
EXAMPLES = """\
python -m automation test protocols/cap/monitor.yaml    # its drill.yaml; needs no network
python -m automation test protocols/example/main.py     # test_*.py next to it, without pytest"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="+", metavar="FILE", help="a monitor.yaml, or the script of a Python monitor")


def run(args: argparse.Namespace, settings: Settings) -> int:
    return run_checks(settings, "test", *args.files)
