"""A clock that moves when told, and a sleep that moves it instead of waiting."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

START = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


class ManualClock:
    """Satisfies `monitoring.base.clock.Clock`; `sleep` records what was slept."""

    def __init__(self, start: datetime = START) -> None:
        self._start = start
        self._passed_s = 0.0
        self._lock = threading.Lock()
        self.slept: list[float] = []
        self.meanwhile: Callable[[], object] = lambda: None  # what happens in the world while somebody sleeps

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._passed_s)

    def monotonic(self) -> float:
        return self._passed_s

    def advance(self, seconds: float) -> None:
        with self._lock:
            self._passed_s += seconds

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.meanwhile()
        self.advance(seconds)
