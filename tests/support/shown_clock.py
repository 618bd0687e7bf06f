"""A wall clock of one's own for children: what `date -s` would do to a host, for one process and what it starts.

Only the wall clock is moved; uptime and the starts of processes are the kernel's, as after a step of a real clock.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

_LEADS = """\
import os, time

if _gained := os.environ.get("TEST_CLOCK_GAINED_S"):
    import time_machine

    _offset = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + float(_gained)
    _clock = time_machine.travel(time.time() + float(_gained), tick=True).start()
    _clock.shift(_offset + time.clock_gettime(time.CLOCK_BOOTTIME) - time.time())  # what the start took

if _loading := os.environ.get("TEST_LOADED_FOR_S"):
    _asked = time.clock_gettime
    time.clock_gettime = lambda clock: _asked(clock) + (float(_loading) if clock == time.CLOCK_BOOTTIME else 0.0)
"""


class ShownClock:
    """Environments for children whose wall clock is somewhere else."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory / "clock"
        self._directory.mkdir()
        (self._directory / "sitecustomize.py").write_text(_LEADS)

    def gained(self, by: timedelta, *, loaded_for_s: float | None = None) -> Mapping[str, str]:
        """The clock is ahead by this; `loaded_for_s`: the process seems to have started that long ago."""
        path = os.pathsep.join(filter(None, [str(self._directory), os.environ.get("PYTHONPATH", "")]))
        loading = {} if loaded_for_s is None else {"TEST_LOADED_FOR_S": str(loaded_for_s)}
        return {"PYTHONPATH": path, "TEST_CLOCK_GAINED_S": str(by.total_seconds()), **loading}

    def shows(self, instant: datetime, *, loaded_for_s: float | None = None) -> Mapping[str, str]:
        """The clock shows this now."""
        return self.gained(instant - datetime.now(UTC), loaded_for_s=loaded_for_s)
