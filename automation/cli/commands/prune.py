"""`prune`: deletes old records; never an alert that is still to be delivered."""

from __future__ import annotations

import argparse

from monitoring.base.clock import SystemClock, parse_duration
from monitoring.base.process_identity import current_boot
from monitoring.base.settings import Settings
from monitoring.ledger.forgetting import prune_by_a_trusted_clock
from monitoring.store.db.schema import open_database
from monitoring.store.maintenance.prune import KEEP_FOR

HELP = "delete delivered alerts, runs and readings older than 90 days"
EXAMPLES = """\
python -m automation prune                             # delete what is older than 90 days
python -m automation prune --older-than 30d            # delete what is older than 30 days
python -m automation prune --readings-older-than 30d    # of what checks read keep a month"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    default = f"{KEEP_FOR.days}d"
    parser.add_argument(
        "--older-than", metavar="TIME", default=default, help=f"delete what is older than this (default {default})"
    )
    parser.add_argument(
        "--readings-older-than", metavar="TIME", help="delete readings of checks older than this (default: the same)"
    )


def run(args: argparse.Namespace, settings: Settings) -> int:
    keep_for = parse_duration(args.older_than)
    readings_for = parse_duration(args.readings_older_than) if args.readings_older_than else None
    with open_database(settings.database) as database:
        print(prune_by_a_trusted_clock(database, SystemClock().now(), current_boot(), keep_for, readings_for))
    return 0
