"""`test`: runs the drills of one monitor, in a child: the command line itself loads no check."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys

from monitoring.base.settings import Settings

HELP = "run the drills of a monitor: what it must fire on, and what not"
EXAMPLES = """\
python -m automation test protocols/cap/monitor.yaml    # its drill.yaml; needs no network
python -m automation test protocols/example/main.py     # test_*.py next to it, without pytest"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="+", metavar="FILE", help="a monitor.yaml, or the script of a Python monitor")


def run(args: argparse.Namespace, settings: Settings) -> int:
    argv = [sys.executable, "-m", "monitoring.checks", "test", *args.files]
    environ = {**os.environ, "PYTHONPATH": str(settings.checkout)}
    return subprocess.run(argv, env=environ, check=False).returncode
