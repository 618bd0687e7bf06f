"""`resume`: ends a pause now."""

from __future__ import annotations

import argparse
import getpass
import sys

from automation.on_call.pausing import announce_end
from monitoring.base.clock import SystemClock
from monitoring.base.settings import Settings
from monitoring.store.db.schema import open_database
from monitoring.store.people import pauses

HELP = "end a pause now"
EXAMPLES = """\
python -m automation resume 3      # `pause --list` shows the numbers"""
_LARGEST_ID = 2**63 - 1  # SQLite holds no larger integer


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("pause", type=int, metavar="ID", help="number of the pause")


def run(args: argparse.Namespace, settings: Settings) -> int:
    now = SystemClock().now()
    with open_database(settings.database) as database, database.write() as tx:
        ended = pauses.end(tx, args.pause, getpass.getuser(), now) if args.pause <= _LARGEST_ID else None
        if ended is not None:
            announce_end(tx, ended, now)
    if ended is None:
        print(f"there is no pause {args.pause} that still holds", file=sys.stderr)
        return 1
    print(f"pause {ended.id} has ended: {ended.what}; it held back {ended.held_back}")
    return 0
