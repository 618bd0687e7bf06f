"""A process next to the scheduler of `up`: started with it, restarted when it dies, stopped with it.

It never holds up a tick. The dashboard (`web_child`) and the reader of the chat (`chat_child`) are such children.
"""

from __future__ import annotations

import contextlib
import logging
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence

log = logging.getLogger("automation.up")

_FIRST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 60.0
# One that lived this long was well: its end is no sign that the next one dies at once.
_WELL_AFTER_S = 30.0
_KILL_AFTER_S = 10.0


class TendedChild:
    """One process, tended by the scheduler's loop; `name` is how people call it."""

    def __init__(
        self,
        name: str,
        environ: Mapping[str, str],
        command: Sequence[str],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
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
            log.warning("%s could not be started (%s); again in %.0f s", self._name, error, self._pause_s)

    def _note_end(self, code: int) -> None:
        lived_s = self._monotonic() - self._started_at
        if lived_s >= _WELL_AFTER_S:
            self._pause_s = 0.0
        self._put_off()
        log.warning("%s ended with %d after %.0f s; again in %.0f s", self._name, code, lived_s, self._pause_s)

    def _put_off(self) -> None:
        self._pause_s = min(max(_FIRST_PAUSE_S, self._pause_s * 2), _LONGEST_PAUSE_S)
        self._not_before = self._monotonic() + self._pause_s
