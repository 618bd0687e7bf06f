"""`prune`: deletes old records; never an alert that is still to be delivered."""

from __future__ import annotations

import argparse

from monitoring.base.clock import SystemClock, parse_duration
from monitoring.base.process_identity import current_boot
from monitoring.base.settings import Settings
from monitoring.ledger.forgetting import prune_by_a_trusted_clock
from monitoring.store.db.schema import open_database
from monitoring.store.maintenance.prune import KEEP_FOR

HELP = "delete delivered alerts and runs older than 90 days"
EXAMPLES = """\
python -m automation prune                     # delete what is older than 90 days
python -m automation prune --older-than 30d    # delete what is older than 30 days"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    default = f"{KEEP_FOR.days}d"
    parser.add_argument(
        "--older-than", metavar="TIME", default=default, help=f"delete what is older than this (default {default})"
    )


def run(args: argparse.Namespace, settings: Settings) -> int:
    keep_for = parse_duration(args.older_than)
    with open_database(settings.database) as database:
        print(prune_by_a_trusted_clock(database, SystemClock().now(), current_boot(), keep_for))
    return 0
