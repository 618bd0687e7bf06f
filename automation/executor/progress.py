"""What one task has come to over its attempts, and the result that is made of it. Used by the executor."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from automation.executor.attempt import Attempt, AttemptOutcome
from automation.executor.output import Output
from automation.executor.task import Command, TaskResult


@dataclass(slots=True)
class Progress:
    """One task: its output, and the sums over its attempts so far."""

    command: Command
    output: Output = field(default_factory=Output)
    attempts: int = 0
    began: float = 0.0
    started_at: datetime | None = None
    cpu_s: float = 0.0
    peak_rss_bytes: int = 0
    last: Attempt | None = None

    def begin(self, now: float, at: datetime) -> list[str]:
        """Count an attempt; return the line that announces any but the first."""
        self.attempts += 1
        if self.attempts == 1:
            self.began, self.started_at = now, at
            return []
        return [f"[attempt {self.attempts} of {self.command.retries + 1}]"]

    def end(self, attempt: Attempt) -> None:
        self.last = attempt
        if attempt.death is not None:
            self.cpu_s += attempt.death.cpu_s
            self.peak_rss_bytes = max(self.peak_rss_bytes, attempt.death.peak_rss_bytes)

    def result(self, verdict: AttemptOutcome, now: float, at: datetime) -> TaskResult:
        death = self.last.death if self.last else None
        return TaskResult(
            name=self.command.name,
            status=verdict.status,
            reason=verdict.reason,
            started_at=self.started_at or at,
            ended_at=at,
            exit_code=death.exit_code if death else None,
            signal=death.signal if death else None,
            duration_s=now - self.began if self.attempts else 0.0,
            cpu_s=self.cpu_s,
            peak_rss_bytes=self.peak_rss_bytes,
            output_bytes=self.output.bytes,
            output_lines=self.output.lines,
            output_tail=self.output.tail(),
            attempts=self.attempts,
            pid=self.last.pid if self.last else None,
        )
