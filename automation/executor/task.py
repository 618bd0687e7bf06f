"""How a task ended. Pure data: the executor makes it and the runner stores it. The task itself is `jobs.model.Task`."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

MESSAGE_BYTES = 65_536  # the longest message between the runner and its fork server


class TaskStatus(StrEnum):
    """How a task ended; only `ok` lets the tasks that need it start."""

    OK = "ok"
    FAILED = "failed"
    TIMEOUT = "timeout"
    ABORTED = "aborted"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class TaskResult:
    """How a task ended, over all its attempts: times and sizes are sums, the peak is the highest.

    `reason` is for people; `exit_code` and `signal` are the last attempt's, both None when it never ended
    by itself under our eyes. `peak_rss_bytes` counts the pages shared with the fork server, and is never below
    the server's own size: the kernel carries a process's peak over an exec. `output_tail` is as the task wrote it,
    neutralised for a log but not redacted.
    """

    name: str
    status: TaskStatus
    reason: str
    started_at: datetime
    ended_at: datetime
    exit_code: int | None = None
    signal: int | None = None
    duration_s: float = 0.0
    cpu_s: float = 0.0
    peak_rss_bytes: int = 0
    output_bytes: int = 0
    output_lines: int = 0
    output_tail: str = ""
    attempts: int = 0
    pid: int | None = None


@dataclass(frozen=True, slots=True)
class Death:
    """What wait4 said of a process: the raw status, its CPU time and its peak memory."""

    status: int
    cpu_s: float
    peak_rss_bytes: int

    @property
    def exit_code(self) -> int | None:
        return os.WEXITSTATUS(self.status) if os.WIFEXITED(self.status) else None

    @property
    def signal(self) -> int | None:
        return os.WTERMSIG(self.status) if os.WIFSIGNALED(self.status) else None

    def __str__(self) -> str:
        if self.signal is not None:
            return f"killed by {signal_name(self.signal)}"
        return f"exit {self.exit_code}"


def signal_name(number: int) -> str:
    """Return `SIGTERM`; a real-time signal, which Python has no name for, as `signal 40`."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
