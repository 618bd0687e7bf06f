"""One budget of time and retries for a whole task, so that no nesting of retries can hang it.

Made once per task and handed to everything that talks over the network; asks an injected clock.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from monitoring.base.clock import Clock, SystemClock
from monitoring.base.errors import ChainError

REQUEST_S = 12.0  # one request; public gateways answer in 0.1-3 s, and a stuck socket must not eat a run
TASK_S = 120.0
RETRIES = 60


class BudgetSpentError(ChainError):
    """The task's time or retries for network reads are used up."""


class Budget:
    """What a task may still spend. First tries are bounded by time alone, repeated ones also by number."""

    def __init__(
        self,
        *,
        seconds: float = TASK_S,
        retries: int = RETRIES,
        request_s: float = REQUEST_S,
        clock: Clock | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.clock = clock or SystemClock()
        self._sleep = sleep
        self._request_s = request_s
        self._ends = self.clock.monotonic() + seconds
        self._seconds = seconds
        self._retries = retries
        self._lock = threading.Lock()

    @property
    def left_s(self) -> float:
        return max(0.0, self._ends - self.clock.monotonic())

    @property
    def is_scarce(self) -> bool:
        """Return whether less than a third of the time is left: what no check waits for is not asked any more."""
        return 3 * self.left_s < self._seconds

    def request_s(self) -> float:
        """Return how long the next request may take.

        Raises:
            BudgetSpentError: no time is left.
        """
        left_s = self.left_s
        if left_s <= 0:
            raise BudgetSpentError(f"the {self._seconds:g} s this task has for network reads are used up")
        return min(self._request_s, left_s)

    def spend_retry(self) -> None:
        """Count a repeated request.

        Raises:
            BudgetSpentError: no retry is left.
        """
        with self._lock:
            if self._retries <= 0:
                raise BudgetSpentError("the repeated requests this task may make are used up")
            self._retries -= 1

    def wait(self, seconds: float) -> bool:
        """Sleep if the budget outlasts it; say whether it did."""
        if seconds >= self.left_s:
            return False
        if seconds > 0:
            self._sleep(seconds)
        return True
