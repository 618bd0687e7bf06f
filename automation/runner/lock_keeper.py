"""Keeps the lock of a run while it goes on: somebody who removes the lock file must not let a second run in.

Called by the runner. The file is looked at every two seconds; a second run that comes before that finds the first one
by its row.
"""

from __future__ import annotations

import logging
import threading
from typing import Self

from monitoring.base.locks.profile_lock import ProfileLock

log = logging.getLogger("automation.runner.lock_keeper")

_EVERY_S = 2.0


class LockKeeper:
    """Takes the lock again within the block whenever its file was removed."""

    def __init__(self, lock: ProfileLock, every_s: float = _EVERY_S) -> None:
        self._lock = lock
        self._every_s = every_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="lock keeper", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _keep(self) -> None:
        has_lost_it = False
        while not self._stop.wait(self._every_s):
            try:
                kept = self._lock.keep()
            except OSError as error:
                log.debug("%s cannot be looked at: %s", self._lock.path, error)
                continue
            if not kept and not has_lost_it:
                log.error("%s was removed, and another run has the new one", self._lock.path)
            has_lost_it = not kept
