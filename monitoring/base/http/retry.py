"""When a request is worth another try, and how long to wait before it: one rule for every place that asks again. Pure.

Who asks again, and out of which budget of time, is the caller's: a task's reads, the heartbeat of a run, the outbox,
whose pauses outlive the process. So a library for retries inside a call would serve none of them: docs/decisions/0017.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

_TRANSIENT = (408, 425, 429)
_SERVER_ERRORS = 500
_NOT_IMPLEMENTED = 501  # the one of a server's errors that says the request itself is wrong


def is_transient(status: int) -> bool:
    """Return whether an answer of this status may be another one soon: too early, too many, a server's own trouble."""
    return status in _TRANSIENT or (status >= _SERVER_ERRORS and status != _NOT_IMPLEMENTED)


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Return the seconds of a `Retry-After` header; its form with a date is rare and counts as absent."""
    text = headers.get("retry-after", "").strip()
    return float(text) if re.fullmatch(r"\d{1,9}(\.\d{1,3})?", text, re.ASCII) else None


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait after the n-th failure in a row: doubled each time, capped, spread by jitter."""

    first_s: float = 1.0
    cap_s: float = 60.0

    def delay_s(self, failures: int) -> float:
        """Return the whole step, in seconds."""
        return min(self.cap_s, self.first_s * 2.0 ** min(max(failures, 1) - 1, 30))

    def delay(self, failures: int, jitter: float) -> timedelta:
        """Return between three quarters and all of the step; `jitter` is from [0, 1)."""
        return timedelta(seconds=self.delay_s(failures) * (0.75 + 0.25 * jitter))
