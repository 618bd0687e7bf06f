"""Tells a watcher off the host that a profile ran (the Healthchecks protocol): the last link of a watch.

Never delays or fails a run: each ping has a time limit, and a failed one is a line in the log. The address is a
secret, so no error of the HTTP client is ever quoted: it would name it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping

log = logging.getLogger("automation.heartbeat")

_TIMEOUT_S = 5.0


class Heartbeat:
    """The ping address of one profile; without one every ping is nothing."""

    def __init__(self, environ: Mapping[str, str], variable: str | None, *, timeout_s: float = _TIMEOUT_S) -> None:
        self._url = environ.get(variable, "").rstrip("/") if variable else ""
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
        except (httpx2.HTTPError, httpx2.InvalidURL, ValueError) as error:
            log.warning("heartbeat: not pinged: %s", type(error).__name__)
        else:
            if not answer.is_success:
                log.warning("heartbeat: the far side answered %d", answer.status_code)


def _done() -> threading.Thread:
    thread = threading.Thread(target=lambda: None)
    thread.start()
    return thread
