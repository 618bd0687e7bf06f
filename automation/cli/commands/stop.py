"""`stop PROFILE`: stops a profile's current run: TERM, then KILL; its row says aborted."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from contextlib import suppress

from monitoring.base.clock import SystemClock
from monitoring.base.errors import StoreError, UsageError
from monitoring.base.locks.profile_lock import Holder, is_held, profile_lock_path, usable_locks
from monitoring.base.process_identity import is_alive, is_alive_text
from monitoring.base.settings import Settings
from monitoring.store.db.schema import open_database
from monitoring.store.tables import runs

HELP = "stop a profile's current run"
EXAMPLES = """\
python -m automation stop hourly              # SIGTERM, then SIGKILL after 20 s
python -m automation stop hourly --grace 60s  # SIGKILL after 60 s"""
# The run itself gives its tasks 5 s between TERM and KILL; then it writes its row.
_GRACE = "20s"
_KILLED_WITHIN_S = 10.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("profile", help="the profile whose run to stop")
    parser.add_argument(
        "--grace", default=_GRACE, metavar="TIME", help=f"time between SIGTERM and SIGKILL (default {_GRACE})"
    )


def run(args: argparse.Namespace, settings: Settings) -> int:
    from monitoring.base.clock import parse_duration

    grace_s = parse_duration(args.grace).total_seconds()
    holder = is_held(profile_lock_path(usable_locks(settings.locks), args.profile))
    if holder is None:
        print(f"{args.profile} is not running")
        return 0
    print(f"{args.profile}: stopping {holder}", file=sys.stderr)
    if not _end(holder, signal.SIGTERM, grace_s) and not _end(holder, signal.SIGKILL, _KILLED_WITHIN_S):
        raise UsageError(
            f"{args.profile}: {holder} does not end even after SIGKILL: it hangs in the kernel; check dmesg"
        )
    _close_rows(settings)
    print(f"{args.profile} was stopped")
    return 0


def _end(holder: Holder, number: signal.Signals, limit_s: float) -> bool:
    """Send the signal to exactly this process and wait until it is gone."""
    if holder.process is None:
        raise UsageError(f"{holder} cannot be distinguished from other processes: run this as the user who started it")
    deadline = time.monotonic() + limit_s
    if is_alive(holder.process):
        with suppress(ProcessLookupError):
            os.kill(holder.pid, number)
    while is_alive(holder.process):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _close_rows(settings: Settings) -> None:
    """Close the row of a run that was killed; one that ended by itself has written its own."""
    try:
        with open_database(settings.database) as database, database.write() as tx:
            runs.close_abandoned(tx, is_alive_text, SystemClock().now())
    except StoreError as error:
        print(f"the ledger could not be written: {error}", file=sys.stderr)
