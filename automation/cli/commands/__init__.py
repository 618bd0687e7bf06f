"""One module a verb of `python -m automation`, imported only when the verb is called.

To add one: a module here with `EXAMPLES`, `add_arguments` and `run`, and a row in `VERBS`.
Tests: tests/integration/test_cli.py, tests/unit/test_cli_docs.py.
"""

from __future__ import annotations

import argparse
import importlib
from typing import Protocol, cast

from monitoring.base.settings import Settings

# The name as it is typed, and the line the overview shows; in this order.
VERBS: dict[str, str] = {
    "alerts": "show what was told lately, and whether it got through",
    "audit": "prove or refute that silence means all is well",
    "backup": "copy the database while everything runs, and check the copy",
    "catch-up": "run once what was missed while nothing ran",
    "deliver": "send by hand what still waits, and say what is left",
    "doctor": "tell what is wrong with this host, and the remedy",
    "drill": "send a labelled alert down the real path and time it",
    "incidents": "show the conditions that fire now",
    "list": "show the profiles, their schedules and their next ticks",
    "prune": "forget what is older than 90 days and has been delivered",
    "render-crontab": "print the crontab that supercronic runs",
    "restore": "put a backup in the place of the database, which is kept aside",
    "run": "run a profile now, really sending alerts",
    "silence": "hold back alerts for a time that always ends",
    "status": "show on one screen what runs, fires, waits and is out of date",
    "stop": "end a running run",
    "up": "run the whole system in the foreground, without systemd",
    "validate": "tell every mistake in jobs.yaml and in the scripts it names",
}


class Verb(Protocol):
    """What a verb's module holds."""

    EXAMPLES: str
    """Lines of `python -m automation …  # what it does`, shown by `--help`."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the arguments of this verb; `--config` is there already."""
        ...

    def run(self, args: argparse.Namespace, settings: Settings) -> int:
        """Do it and return the exit code; `args.config` is the path of jobs.yaml."""
        ...


def load_verb(name: str) -> Verb:
    module = importlib.import_module(f"{__name__}.{name.replace('-', '_')}")
    return cast("Verb", module)
