"""One attempt at a task while its process runs: what is due next, and what its end means. No I/O."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from automation.executor.output import Output
from automation.executor.task import Death, TaskResult, TaskStatus
from automation.jobs.model import Task


class Stage(Enum):
    """How far we are with ending a process that does not end by itself."""

    RUNNING = "running"
    ASKED = "SIGTERM sent"
    KILLED = "SIGKILL sent"
    ENDED = "its process is gone; the rest of its output is awaited"


@dataclass(frozen=True, slots=True)
class AttemptOutcome:
    """What an attempt came to, and why."""

    status: TaskStatus
    reason: str


@dataclass(slots=True)
class Attempt:
    """A process of a task. `due_at` (monotonic) is when its stage has lasted long enough."""

    task: Task
    number: int
    started_at: datetime
    began: float
    due_at: float
    stage: Stage = Stage.RUNNING
    taken: bool = False  # by the fork server: it may have run
    pid: int | None = None
    death: Death | None = None
    verdict: AttemptOutcome | None = None  # ours, when it did not end by itself

    def start(self, pid: int, now: float) -> None:
        self.pid = pid
        if self.stage is Stage.RUNNING:
            self.due_at = now + self.task.timeout_s

    def end(self, death: Death | None, due_at: float) -> None:
        self.death = death
        self.stage = Stage.ENDED
        self.due_at = due_at

    def outcome(self) -> AttemptOutcome:
        """Return what the attempt came to: our verdict where we made one, else what its process says."""
        if self.verdict is not None:
            return self.verdict
        if self.death is None:
            raise ValueError(f"task {self.task.name} has not ended")
        if self.death.status == 0:
            return AttemptOutcome(TaskStatus.OK, "exit 0")
        return AttemptOutcome(TaskStatus.FAILED, str(self.death))


def timed_out(task: Task) -> AttemptOutcome:
    return AttemptOutcome(TaskStatus.TIMEOUT, f"no end after {task.timeout_s:g} s")


def should_retry(outcome: AttemptOutcome, attempts: int, retries: int) -> bool:
    """Return whether to try again: only what failed or timed out, `retries` times at most."""
    return outcome.status in (TaskStatus.FAILED, TaskStatus.TIMEOUT) and attempts <= retries


def result_of(
    task: Task, attempts: Sequence[Attempt], outcome: AttemptOutcome, output: Output, now: float, at: datetime
) -> TaskResult:
    """Return what a task came to over all its attempts, at the end of the last one."""
    deaths = [attempt.death for attempt in attempts if attempt.death]
    last = attempts[-1] if attempts else None
    death = last.death if last else None
    return TaskResult(
        name=task.name,
        status=outcome.status,
        reason=outcome.reason,
        started_at=attempts[0].started_at if attempts else at,
        ended_at=at,
        exit_code=death.exit_code if death else None,
        signal=death.signal if death else None,
        duration_s=now - attempts[0].began if attempts else 0.0,
        cpu_s=sum(death.cpu_s for death in deaths),
        peak_rss_bytes=max((death.peak_rss_bytes for death in deaths), default=0),
        output_bytes=output.bytes,
        output_lines=output.lines,
        output_tail=output.tail(),
        attempts=len(attempts),
        pid=last.pid if last else None,
    )
