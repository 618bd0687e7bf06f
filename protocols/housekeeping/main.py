"""Keeps the database of this host: `--do=backup`, `--do=rehearse` (can the newest backup be restored?), `--do=prune`.

Three tasks of the profile `daily`; by hand rather `python -m automation backup`, `restore --dry-run` and `prune`.
"""

from __future__ import annotations

from monitoring.base.drop_privileges import become_owner_of_checkout

if __name__ == "__main__":
    become_owner_of_checkout()

import argparse
import os
import sys
from pathlib import Path

from monitoring.base.clock import SystemClock, parse_duration
from monitoring.base.errors import MonitoringError, StoreError, UsageError
from monitoring.base.process_identity import current_boot
from monitoring.base.settings import Settings, load_settings
from monitoring.ledger.forgetting import prune_by_a_trusted_clock
from monitoring.store.db.schema import open_database
from monitoring.store.maintenance import backups
from monitoring.store.maintenance.prune import KEEP_FOR
from monitoring.store.maintenance.restore import staged


def main() -> int:
    """Do one of them; 1 if it could not be done, 2 if an argument is wrong."""
    args = _arguments()
    # Under a runner the env file stays closed: it holds what a task must not see.
    under_a_runner = os.environ.get("AUTOMATION_TASK") is not None
    try:
        settings = load_settings({**os.environ, "MONITORING_ENV_FILE": ""} if under_a_runner else None)
        print(_DEEDS[args.do](args, settings))
    except MonitoringError as error:
        print(f"{args.do}: {error}", file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1
    return 0


def _back_up(args: argparse.Namespace, settings: Settings) -> str:
    if args.keep < 1:
        raise UsageError("keep must be 1 or more")
    now = SystemClock().now()
    return str(backups.back_up(settings.database, _directory(args, settings), now, keep=args.keep))


def _rehearse(args: argparse.Namespace, settings: Settings) -> str:
    """Do all of a restore but its last step, on the newest backup."""
    directory = _directory(args, settings)
    newest = next(iter(backups.stored(directory, SystemClock().now())), None)
    if newest is None:
        raise StoreError(f"there is no backup in {directory}")
    with staged(newest.path, settings.database) as ready:
        return f"{newest} can be restored: {ready.contents}"


def _prune(args: argparse.Namespace, settings: Settings) -> str:
    keep_for = parse_duration(args.older_than)
    with open_database(settings.database) as database:
        return str(prune_by_a_trusted_clock(database, SystemClock().now(), current_boot(), keep_for))


def _directory(args: argparse.Namespace, settings: Settings) -> Path:
    return Path(args.to) if args.to else backups.default_directory(settings.cache_dir)


_DEEDS = {"backup": _back_up, "rehearse": _rehearse, "prune": _prune}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="housekeeping", description=__doc__.partition("\n")[0], allow_abbrev=False)
    parser.add_argument("--do", choices=_DEEDS, required=True)
    parser.add_argument("--to", metavar="DIR", help="where the backups are")
    parser.add_argument("--keep", type=int, default=backups.KEEP, metavar="N", help="how many backups stay")
    parser.add_argument("--older-than", default=f"{KEEP_FOR.days}d", metavar="TIME", help="the age at which rows go")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
