"""Starts the explainer of alerts as a child of a run, where its settings are there, and ends it in time.

Nothing waits for it but the end of a run, after everything else: it reads what is stored and delivered. Without its
settings nothing is imported and nothing is started.
"""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime

from automation.executor.reaper import StopRequest
from monitoring.base.clock import Clock
from monitoring.base.errors import UsageError
from monitoring.base.settings import Settings
from monitoring.store.db.database import Database

log = logging.getLogger("automation.executor.explainer_process")

_LOOK_S = 0.1
_END_S = 2.0


class ExplainerProcess:
    """The explainer of one run; `read` does something with the database, and says whether it could."""

    def __init__(self, settings: Settings, clock: Clock, read: Callable[[Callable[[Database], None]], bool]) -> None:
        self._settings, self._clock, self._read = settings, clock, read
        # As `explainer_settings.is_wanted`, which need not be imported for that.
        named = (settings.environ.get(name, "").strip() for name in ("LLM_BASE_URL", "LLM_MODEL"))
        self._is_on = any(named) and not settings.debug
        self._child: subprocess.Popen[bytes] | None = None

    def look(self) -> None:
        """Start it if an alert waits for it and it does not run already; it waits itself for what is not sent yet."""
        if not self._is_on or (self._child is not None and self._child.poll() is None):
            return
        from monitoring.explain import explainer_settings as explain  # noqa: PLC0415 - only where it is on
        from monitoring.store.queries import explanations  # noqa: PLC0415 - as above

        try:
            wanted = explain.explainer_settings(self._settings.environ)
        except UsageError as error:
            log.warning("alerts are not explained: %s", error)
            wanted = None
        if wanted is None:
            self._is_on = False
            return
        since, found = self._clock.now() - wanted.deadline, list[object]()
        self._read(lambda database: found.extend(database.read(lambda tx: explanations.due(tx, since))))
        if found:
            self._start(explain.child_environment(self._settings.environ, str(self._settings.cache_dir)))

    def wait(self, until: datetime, stop: StopRequest) -> bool:
        """Wait for its end, until then at most, and end it; return whether it ran: it may have stored replies."""
        self.look()
        child = self._child
        if child is None:
            return False
        while child.poll() is None and self._clock.now() < until:
            if stop.wait(_LOOK_S):
                break
        self.close()
        return True

    def close(self) -> None:
        """End it at once if it still runs: what it has not answered is not sent."""
        child, self._child = self._child, None
        if child is None:
            return
        if child.poll() is None:
            child.kill()
            log.warning("the explainer is ended: its time is up")
        child.wait(_END_S)

    def _start(self, environ: dict[str, str]) -> None:
        argv = [sys.executable, "-m", "monitoring.explain"]
        try:
            self._child = subprocess.Popen(
                argv, cwd=self._settings.checkout, env=environ, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
            )
        except OSError as error:
            log.warning("the explainer cannot be started: %s", error.strerror)
            self._is_on = False
