"""`record`: writes what services answer now into recordings, in a child: the command line itself loads no check."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys

from monitoring.base.settings import Settings

HELP = "record what the services of a monitor answer now, for its drill"
EXAMPLES = """\
python -m automation record protocols/ethena/monitor.yaml    # writes protocols/ethena/answers/*.json"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="+", metavar="FILE", help="a monitor.yaml, or a Python monitor")


def run(args: argparse.Namespace, settings: Settings) -> int:
    argv = [sys.executable, "-m", "monitoring.checks", "record", *args.files]
    environ = {**os.environ, "PYTHONPATH": str(settings.checkout)}
    return subprocess.run(argv, env=environ, check=False).returncode
