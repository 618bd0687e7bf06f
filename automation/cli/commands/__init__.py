"""One module for each command of `python -m automation`, imported only when it is called.

To add one: a module here with `HELP`, `EXAMPLES`, `add_arguments` and `run`, and its section in docs/cli.md. Its name
is the command, with `_` for `-`; `HELP` is one line, which the overview reads without importing the module.
Tests: tests/integration/test_cli.py, tests/unit/test_cli_docs.py.
"""

from __future__ import annotations

import argparse
import importlib
import os
import re
from pathlib import Path
from typing import Protocol, cast

from monitoring.base.settings import Settings

_FOLDER = Path(__file__).parent
_HELP = re.compile(r'^HELP = "(.+)"$', re.MULTILINE)


class CommandModule(Protocol):
    """What a command's module holds."""

    HELP: str
    """What it does, in one line that the overview shows."""

    EXAMPLES: str
    """Lines of `python -m automation …  # what it does`, shown by `--help`."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the arguments of this command; `--config` is there already."""
        ...

    def run(self, args: argparse.Namespace, settings: Settings) -> int:
        """Do it and return the exit code; `args.config` is the path of jobs.yaml."""
        ...


def command_names() -> list[str]:
    """Return the commands as they are typed, in the order of the alphabet."""
    files = (name for name in os.listdir(_FOLDER) if name.endswith(".py") and not name.startswith("_"))  # noqa: PTH208
    return sorted(name.removesuffix(".py").replace("_", "-") for name in files)


def help_line(name: str) -> str:
    """Return what a command does, from the text of its module: to import all of them would take a second."""
    found = _HELP.search((_FOLDER / f"{name.replace('-', '_')}.py").read_text(encoding="utf-8"))
    return found[1] if found else ""


def load_command(name: str) -> CommandModule:
    module = importlib.import_module(f"{__name__}.{name.replace('-', '_')}")
    return cast("CommandModule", module)
