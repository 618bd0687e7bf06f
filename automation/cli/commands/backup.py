"""`backup`: a checked copy of the database while everything runs; the oldest backups are removed."""

from __future__ import annotations

import argparse
from pathlib import Path

from monitoring.base.clock import SystemClock
from monitoring.base.errors import UsageError
from monitoring.base.settings import Settings
from monitoring.store.maintenance import backups

HELP = "copy the database while everything runs, and check the copy"
EXAMPLES = """\
python -m automation backup                            # to $CACHE_DIR/backups; keeps the newest seven
python -m automation backup --to /mnt/usb --keep 30    # to another directory; keeps 30"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--to", type=Path, metavar="DIR", help="target directory (default: backups in the state directory)"
    )
    parser.add_argument(
        "--keep",
        type=int,
        metavar="N",
        default=backups.KEEP,
        help=f"number of backups to keep there (default {backups.KEEP})",
    )


def run(args: argparse.Namespace, settings: Settings) -> int:
    if args.keep < 1:
        raise UsageError(f"--keep must be at least 1, not {args.keep}")
    directory = args.to.absolute() if args.to else backups.default_directory(settings.cache_dir)
    done = backups.back_up(settings.database, directory, SystemClock().now(), keep=args.keep)
    print(done)
    return 0
