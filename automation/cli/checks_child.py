"""Runs a verb of `python -m monitoring.checks` in a child, for commands: the command line itself loads no check."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from automation.cli.screen import screen_of
from monitoring.base.settings import Settings

# A top-level key that every monitor file has, and no jobs.yaml.
_MONITOR = re.compile(rb"^monitor[ \t]*:", re.MULTILINE)


def run_checks(settings: Settings, *arguments: str, shows_progress: bool = False) -> int:
    """Run it to its end, from whatever directory this was called in, and return its exit code.

    `shows_progress`: its stderr is the terminal itself, on which a line of it can be replaced.
    """
    argv = [sys.executable, "-m", "monitoring.checks", *arguments]
    environ = {**os.environ, "PYTHONPATH": str(settings.checkout)}
    if not screen_of(sys.stdout).is_terminal:
        return subprocess.run(argv, env=environ, check=False).returncode
    errors = None if shows_progress else subprocess.STDOUT
    with subprocess.Popen(argv, env=environ, stdout=subprocess.PIPE, stderr=errors, text=True) as child:
        for line in child.stdout or ():
            sys.stdout.write(line)  # here, not by the child: folded for the terminal
    return child.returncode


def is_monitor(file: Path) -> bool:
    """Return whether this is a monitor rather than a jobs.yaml: a script, or a file with the key `monitor`."""
    try:
        return file.suffix == ".py" or _MONITOR.search(file.read_bytes()) is not None
    except OSError:
        return False
