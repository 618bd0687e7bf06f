"""`restore FILE`: restores a backup of the database; the replaced database is kept."""

from __future__ import annotations

import argparse
import getpass
import sys
from pathlib import Path

from monitoring.base.clock import SystemClock, parse_duration
from monitoring.base.errors import UsageError
from monitoring.base.locks.maintenance_lock import no_runs
from monitoring.base.plural import counted
from monitoring.base.process_identity import is_alive_text
from monitoring.base.settings import Settings
from monitoring.store.maintenance import backups
from monitoring.store.maintenance.restore import Restored, put_in_place, staged

HELP = "restore a backup; the replaced database is kept"
EXAMPLES = """\
python -m automation restore                            # list the backups
python -m automation restore monitoring-20261124T081903Z.db --dry-run   # check it and show its contents
python -m automation restore monitoring-20261124T081903Z.db             # restore it, from $CACHE_DIR/backups"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "file", metavar="FILE", type=Path, nargs="?", help="the backup to restore; without it, the backups are listed"
    )
    parser.add_argument("--dry-run", action="store_true", help="check the backup and show its contents; change nothing")
    parser.add_argument(
        "--wait", metavar="TIME", default="2m", help="how long to wait for current runs to end (default 2m)"
    )


def run(args: argparse.Namespace, settings: Settings) -> int:
    limit_s = parse_duration(args.wait).total_seconds()
    file = _find(args.file, settings)
    clock = SystemClock()
    with staged(file, settings.database) as ready:
        contents = ready.contents
        if args.dry_run:
            done = None
        else:
            with no_runs(settings.locks, limit_s):
                done = put_in_place(ready, file, settings.database, clock, by=getpass.getuser(), is_alive=is_alive_text)
    print(f"{file}: sound, {contents}")
    if done is not None:
        _report(done)
    return 0


def _find(named: Path | None, settings: Settings) -> Path:
    directory = backups.default_directory(settings.cache_dir)
    if named is None:
        found = "".join(f"\n  {backup}" for backup in backups.stored(directory, SystemClock().now()))
        raise UsageError(f"name a backup. Backups in {directory}:{found or ' none'}")
    if not named.exists() and named.name == str(named) and (directory / named).exists():
        return directory / named
    return named.absolute()


def _report(done: Restored) -> None:
    print(f"restored; the replaced database is kept as {done.set_aside}")
    carried = done.carried
    if carried.undelivered:
        print(f"{counted(carried.undelivered, 'alert')} still to be delivered, carried over")
    if carried.delivered_since:
        print(f"{counted(carried.delivered_since, 'alert')} delivered since the backup, not sent again")
    print(
        "ticks since the backup count as unknown. If a profile changed since then: sudo systemctl restart monitoring",
        file=sys.stderr,
    )
