"""`test`: runs the drills of one monitor, in a child: the command line itself loads no check."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys

from automation.cli.screen import screen_of
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
    if not screen_of(sys.stdout).is_terminal:
        return subprocess.run(argv, env=environ, check=False).returncode
    with subprocess.Popen(argv, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as child:
        for line in child.stdout or ():
            sys.stdout.write(line)  # here, not by the child: folded for the terminal
    return child.returncode
