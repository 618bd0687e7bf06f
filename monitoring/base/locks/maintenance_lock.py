"""Holds every run off while state moves: for the import of legacy files and for `restore`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from monitoring.base.errors import LockedError, StoreError
from monitoring.base.locks.profile_lock import TreeLock, running_profiles

WAIT_FOR_RUNS_S = 120.0


@contextmanager
def no_runs(locks: Path, limit_s: float = WAIT_FOR_RUNS_S) -> Iterator[None]:
    """Keep runs from starting while state moves; wait for those that are going.

    Raises:
        LockedError: one was still going after `limit_s`; it is named.
        StoreError: the lock file cannot be made.
    """
    tree = TreeLock(locks)
    try:
        held = tree.hold_exclusive(limit_s)
    except OSError as error:
        raise StoreError(f"{locks}: cannot be locked ({error.strerror}): look at its owner and the disk") from error
    if not held:
        going = ", ".join(f"{profile}: {holder}" for profile, holder in running_profiles(locks).items())
        raise LockedError(
            f"still running after {limit_s:.0f} s: {going or 'another process'}; nothing was changed. "
            "`python -m automation stop PROFILE` ends a run",
            going,
        )
    try:
        yield
    finally:
        tree.release()
