"""One attempt at a task while its process runs: what is due next, and what its end means. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from automation.executor.task import Command, Death, TaskStatus


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

    command: Command
    number: int
    began: float
    due_at: float
    stage: Stage = Stage.RUNNING
    taken: bool = False  # by the fork server: it may have run
    pid: int | None = None
    death: Death | None = None
    verdict: AttemptOutcome | None = None  # ours, when it did not end by itself

    def start(self, pid: int, now: float) -> None:
        self.pid = pid
        self.began = now
        if self.stage is Stage.RUNNING:
            self.due_at = now + self.command.timeout_s

    def end(self, death: Death | None, due_at: float) -> None:
        self.death = death
        self.stage = Stage.ENDED
        self.due_at = due_at

    def outcome(self) -> AttemptOutcome:
        """Return what the attempt came to: our verdict where we made one, else what its process says."""
        if self.verdict is not None:
            return self.verdict
        if self.death is None:
            raise ValueError(f"task {self.command.name} has not ended")
        if self.death.status == 0:
            return AttemptOutcome(TaskStatus.OK, "exit 0")
        return AttemptOutcome(TaskStatus.FAILED, str(self.death))


def timed_out(command: Command) -> AttemptOutcome:
    return AttemptOutcome(TaskStatus.TIMEOUT, f"no end after {command.timeout_s:g} s")


def should_retry(verdict: AttemptOutcome, attempts: int, retries: int) -> bool:
    """Return whether to try again: only what failed or timed out, `retries` times at most."""
    return verdict.status in (TaskStatus.FAILED, TaskStatus.TIMEOUT) and attempts <= retries
