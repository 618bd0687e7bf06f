"""Ends a run whose own deadlines failed: a run that hangs outside its tasks must not silence the profile for good."""

from __future__ import annotations

import logging
import os
import signal
import threading
from typing import Self

log = logging.getLogger("automation.runner.watchdog")

# Beyond what tasks and run may take by their deadlines: digest, last writes, a slow disk.
_SLACK_S = 180.0


class Watchdog:
    """Kills this process when the block takes longer than `limit_s` and the slack.

    SIGKILL, not an exception: the main loop is what hangs. The fork server sees its socket close and kills
    every task; the kernel frees the locks; the next process that looks closes the row as aborted.
    """

    def __init__(self, limit_s: float, slack_s: float = _SLACK_S) -> None:
        self._timer = threading.Timer(limit_s + slack_s, self._end)
        self._timer.daemon = True
        self._limit_s = limit_s

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()

    def _end(self) -> None:
        log.critical("the run hangs beyond its deadline of %.0f s: it is killed", self._limit_s)
        os.kill(os.getpid(), signal.SIGKILL)
