"""Tells a watcher off the host that a profile ran (the Healthchecks protocol): the last link of a watch.

Never delays or fails a run: each ping has a time limit, and a failed one is a line in the log.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping

from monitoring.redact import Redactor

log = logging.getLogger("automation.heartbeat")

_TIMEOUT_S = 5.0


class Heartbeat:
    """The ping address of one profile; without one every ping is nothing."""

    def __init__(self, environ: Mapping[str, str], variable: str | None, *, timeout_s: float = _TIMEOUT_S) -> None:
        self._url = environ.get(variable, "").rstrip("/") if variable else ""
        self._redact = Redactor({variable: self._url} if variable else {})
        self._timeout_s = timeout_s
        if variable and not self._url:
            log.warning("heartbeat_env names %s, which is not set: nobody off this host learns of this run", variable)

    def started(self) -> None:
        """Ping `/start` beside the run."""
        self._ping_beside("/start")

    def ended(self, exit_code: int) -> None:
        """Ping success, or `/<exit code>`; waits for no longer than the time limit."""
        self._ping_beside("" if exit_code == 0 else f"/{exit_code}").join(self._timeout_s)

    def failed(self) -> None:
        """Ping `/fail`: the run's own account of itself cannot be trusted."""
        self._ping_beside("/fail").join(self._timeout_s)

    def _ping_beside(self, suffix: str) -> threading.Thread:
        thread = threading.Thread(target=self._ping, args=(suffix,), name="heartbeat", daemon=True)
        if self._url:
            thread.start()
        else:
            thread = _done()
        return thread

    def _ping(self, suffix: str) -> None:
        import httpx2  # noqa: PLC0415 - a tenth of a second that a run without heartbeat does not pay

        try:
            answer = httpx2.get(self._url + suffix, timeout=self._timeout_s)
            answer.raise_for_status()
        except httpx2.HTTPError as error:
            log.warning("heartbeat: %s", self._redact(str(error)))


def _done() -> threading.Thread:
    thread = threading.Thread(target=lambda: None)
    thread.start()
    return thread
