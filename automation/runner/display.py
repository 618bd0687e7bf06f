"""What a run shows while it goes on. This is the journal's: the lines of its tasks, and a summary at the end."""

from __future__ import annotations

from collections.abc import Sequence

from automation.executor.task import TaskResult
from monitoring.base.log import SurvivingHandler


class RunDisplay:
    """Writes `<task> | <line>`; for a person at a terminal a subclass shows more (automation/cli/live.py).

    `is_brief`: tasks are asked for what is not fine alone.
    """

    is_brief = False

    def __init__(self, output: SurvivingHandler) -> None:
        self._output = output

    def begin(self, profile: str, tasks: Sequence[str]) -> None:
        """The tasks are about to be started."""

    def task_started(self, task: str) -> None:
        """A task begins, or is tried again."""

    def line(self, task: str, line: str) -> None:
        """A task wrote this."""
        self._output.write_line(f"{task} | {line}", is_clean=True)

    def task_ended(self, result: TaskResult, checks: str) -> None:
        """A task is over; `checks` counts what it judged."""

    def phase(self, what: str) -> None:
        """The tasks are over, and this is done now."""

    def end(self, summary: str) -> None:
        """The run is over."""
        self._output.write_line(summary)

    def close(self) -> None:
        """Nothing is shown any more, however the run ended."""
