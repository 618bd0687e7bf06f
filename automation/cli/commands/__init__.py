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
    "alerts": "list recent alerts and their delivery status",
    "audit": "verify that every due check ran and every alert was delivered",
    "backup": "copy the database while everything runs, and check the copy",
    "catch-up": "run profiles whose last tick was missed (catch_up: latest)",
    "deliver": "send waiting alerts now and show what is left",
    "doctor": "diagnose this host and suggest fixes",
    "drill": "send a test alert by the real route and time it",
    "incidents": "list conditions that are firing now",
    "list": "list profiles, their schedules and next ticks",
    "prune": "delete delivered alerts and runs older than 90 days",
    "render-crontab": "print the crontab that supercronic runs",
    "restore": "restore a backup; the replaced database is kept",
    "run": "run a profile now; alerts are really sent",
    "silence": "mute alerts for a limited time",
    "status": "show the state of this host on one screen",
    "stop": "stop a profile's current run",
    "up": "run the whole system in the foreground, without systemd",
    "validate": "report every mistake in jobs.yaml and the files it names",
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
