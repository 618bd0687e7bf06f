"""The API and the dashboard as a child of `up`: started with the scheduler, restarted when it dies, stopped with it.

It never holds up a tick, and it gets no secret: its environment is the operator's without them.
"""

from __future__ import annotations

import contextlib
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence

from monitoring.base.secrets.secret_values import is_secret
from monitoring.base.settings import Settings

log = logging.getLogger("automation.web")

COMMAND = (sys.executable, "-m", "monitoring.web")
DEFAULT_PORT = "8923"  # of `monitoring.web`, which this process does not import
_FIRST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 60.0
# One that lived this long was well: its end is no sign that the next one dies at once.
_WELL_AFTER_S = 30.0
_KILL_AFTER_S = 10.0


class WebChild:
    """One `python -m monitoring.web`, tended by the scheduler's loop."""

    def __init__(
        self,
        environ: Mapping[str, str],
        command: Sequence[str] = COMMAND,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._environ = environ
        self._command = command
        self._monotonic = monotonic
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0
        self._pause_s = 0.0
        self._not_before = 0.0

    def tend(self) -> None:
        """Start it if it does not run; after a quick death only when its pause is over."""
        if self._process is not None and self._process.poll() is not None:
            self._note_end(self._process.returncode)
            self._process = None
        if self._process is None and self._monotonic() >= self._not_before:
            self._start()

    def end(self) -> None:
        """End it, by force if it does not listen."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        try:
            self._process.wait(_KILL_AFTER_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def _start(self) -> None:
        self._started_at = self._monotonic()
        try:
            # A session of its own: Ctrl-C at the terminal reaches the scheduler, which ends this last.
            self._process = subprocess.Popen(
                list(self._command), env=dict(self._environ), stdin=subprocess.DEVNULL, start_new_session=True
            )
        except OSError as error:
            self._put_off()
            log.warning("the dashboard could not be started (%s); again in %.0f s", error, self._pause_s)

    def _note_end(self, code: int) -> None:
        lived_s = self._monotonic() - self._started_at
        if lived_s >= _WELL_AFTER_S:
            self._pause_s = 0.0
        self._put_off()
        log.warning("the dashboard ended with %d after %.0f s; again in %.0f s", code, lived_s, self._pause_s)

    def _put_off(self) -> None:
        self._pause_s = min(max(_FIRST_PAUSE_S, self._pause_s * 2), _LONGEST_PAUSE_S)
        self._not_before = self._monotonic() + self._pause_s


def web_environment(settings: Settings) -> dict[str, str]:
    """Return what the child may know: where the state lies and where to listen, and no secret of any kind."""
    kept = {name: value for name, value in settings.environ.items() if not is_secret(name, value) and name not in _OURS}
    return {
        **kept,
        "PYTHONPATH": str(settings.checkout),
        "CACHE_DIR": str(settings.cache_dir),
        "MONITORING_ENV_FILE": "",  # it is merged already, and read no second time
        "AUTOMATION_WEB_PARENT": str(os.getpid()),
    }


_OURS = frozenset({"AUTOMATION_WEB_PARENT", "MONITORING_ENV_FILE"})
