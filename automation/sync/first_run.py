"""The first run of a new revision, as a child of the process that activated it, which is still the old code.

Called by revision.py. The parent keeps no lock meanwhile (the child has them), passes signals on, and judges by what
the child left in the ledger, never by what it says.
"""

from __future__ import annotations

import contextlib
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from monitoring.base.clock import SystemClock
from monitoring.base.errors import StoreError
from monitoring.base.locks.profile_lock import FileLock, surviving_exec
from monitoring.base.process_identity import find_process
from monitoring.store.db.schema import open_database, open_readonly
from monitoring.store.tables import runs
from monitoring.store.tables.runs import RunRow

# Between a start and its row lie imports and the opening of the database.
ROW_LIMIT_S = 120.0
_LOOK_EVERY_S = 0.25
_SPARE_BYTES = 1024 * 1024
# A run may take over the row of its tick that was written off a moment ago: not always the newest.
_NEWEST = 50


@dataclass(frozen=True, slots=True)
class FirstRunResult:
    """How the first run ended; with a `fault` the revision must go, without one it may still have proved nothing."""

    code: int
    passed: bool = False
    fault: str = ""


@dataclass(frozen=True, slots=True)
class FirstRunFacts:
    """What is known of a first run once it is over; `host_can_store` by the old code, `off` by its jobs.yaml."""

    code: int
    row: RunRow | None
    stopped: bool = False
    hung: bool = False
    host_can_store: bool = True
    off: bool = False


def judge(seen: FirstRunFacts, profile: str) -> FirstRunResult:
    """Decide what a first run has proved. Pure.

    A run that somebody stopped, or that had no store to write to, proves nothing against its revision.
    """
    row = seen.row
    if row is not None and row.ended_at is not None and not row.has_vanished:
        return FirstRunResult(seen.code, passed=True)
    if seen.off and seen.code == 0:
        return FirstRunResult(seen.code, passed=True)
    if seen.stopped or not seen.host_can_store:
        return FirstRunResult(seen.code)
    what = "wrote no row" if row is None else "never wrote its end"
    how = f"within {ROW_LIMIT_S:.0f} s and was killed" if seen.hung else f"and ended {_how(seen.code)}"
    return FirstRunResult(seen.code, fault=f"its first run, of {profile}, {what} {how}")


def run_first(
    locks: Sequence[FileLock], environ: Mapping[str, str], *, profile: str, database: Path, off: bool
) -> FirstRunResult:
    """Start this very command again, with the new code and the same locks, wait for its end, and judge it."""
    with surviving_exec(locks, environ) as marked:
        child = subprocess.Popen(
            [sys.executable, *sys.orig_argv[1:]],
            env=marked,
            pass_fds=[lock.descriptor for lock in locks if lock.held],
        )
    ledger = _LedgerView(database, profile, str(find_process(child.pid)))
    for lock in locks:
        lock.leave_to_child()
    with _passing_signals_on(child) as received:
        hung = not _wait(child, ledger)
    row = ledger.row()
    if row is not None and row.status == "running":
        ledger.close_row()
    seen = FirstRunFacts(child.returncode, row, bool(received), hung, row is not None or ledger.can_store(), off)
    return judge(seen, profile)


def _wait(child: subprocess.Popen[bytes], ledger: _LedgerView) -> bool:
    """Wait for the child's end; False if it hung before its row, and had to be killed."""
    deadline = time.monotonic() + ROW_LIMIT_S
    while child.poll() is None and ledger.row() is None:
        if time.monotonic() > deadline and ledger.can_store():
            child.kill()
            child.wait()
            return False
        time.sleep(_LOOK_EVERY_S)
    child.wait()
    return True


@dataclass(frozen=True, slots=True)
class _LedgerView:
    """The rows of one process of one profile, as the old code reads them."""

    path: Path
    profile: str
    process: str

    def row(self) -> RunRow | None:
        try:
            with open_readonly(self.path) as database:
                found = runs.latest(database, self.profile, limit=_NEWEST)
        except StoreError:
            return None
        return next((run for run in found if run.process == self.process), None)

    def close_row(self) -> None:
        """Close the row of a process that is gone; its death is reported with the revision, not as one more finding."""
        with contextlib.suppress(StoreError), open_database(self.path) as database, database.write() as tx:
            runs.close_abandoned(tx, lambda process: process != self.process, SystemClock().now())

    def can_store(self) -> bool:
        """Return whether this host could have written a row: what it lacks is no fault of a revision."""
        with contextlib.suppress(StoreError, OSError):
            if shutil.disk_usage(self.path.parent).free < _SPARE_BYTES:
                return False
            with open_database(self.path) as database, database.write():
                return True
        return False


@contextlib.contextmanager
def _passing_signals_on(child: subprocess.Popen[bytes]) -> Iterator[list[int]]:
    """Pass signals that stop this process to the run; yields the signals that came."""
    received: list[int] = []

    def pass_on(number: int, _frame: FrameType | None) -> None:
        received.append(number)
        child.send_signal(number)

    previous = {number: signal.signal(number, pass_on) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield received
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _how(code: int) -> str:
    return f"with exit code {code}" if code >= 0 else f"by {signal.Signals(-code).name}"
