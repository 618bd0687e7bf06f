"""A run as a person sees it at a terminal: one live line at the bottom, a line for each task that ended, a summary."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Sequence

from automation.cli.screen import Screen
from automation.executor.task import TaskResult, TaskStatus
from automation.runner.display import RunDisplay
from automation.runner.summary import NO_DATA, is_count
from monitoring.base.log import SurvivingHandler

_EVERY_S = 0.2
_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"


class LiveDisplay(RunDisplay):
    """Shows what runs now and for how long; without `verbose` tasks write only what is not fine."""

    def __init__(
        self,
        output: SurvivingHandler,
        screen: Screen,
        *,
        verbose: bool = False,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(output)
        self.is_brief = not verbose
        self._screen = screen
        self._monotonic = monotonic
        self._head, self._phase, self._summary = "", "", ""
        self._total, self._ended = 0, 0
        self._running: dict[str, float] = {}
        self._began_at = monotonic()
        self._is_over = threading.Event()
        self._clock: threading.Thread | None = None

    def begin(self, profile: str, tasks: Sequence[str]) -> None:
        self._head, self._total, self._began_at = profile, len(tasks), self._monotonic()
        self._clock = threading.Thread(target=self._keep_moving, name="live line", daemon=True)
        self._clock.start()

    def line(self, task: str, line: str) -> None:
        # The line of the task says these again, in one.
        if not self.is_brief or not (is_count(line) or line.startswith(NO_DATA)):
            super().line(task, line)

    def task_started(self, task: str) -> None:
        self._running[task] = self._monotonic()
        self._draw()

    def task_ended(self, result: TaskResult, checks: str) -> None:
        self._running.pop(result.name, None)
        self._ended += 1
        is_ok = result.status is TaskStatus.OK
        how = "ok" if is_ok else f"{result.status.value} ({result.reason})"
        judged = f"; {checks}" if checks else ""
        self._output.write_line(f"{'✓' if is_ok else '✗'} {result.name}: {how} in {result.duration_s:.1f} s{judged}")
        self._draw()

    def phase(self, what: str) -> None:
        self._phase = what
        self._draw()

    def end(self, summary: str) -> None:
        self._summary = summary  # the last line, below what delivery still reports

    def close(self) -> None:
        self._is_over.set()
        if self._clock is not None:
            self._clock.join()
            self._clock = None
            self._screen.show_at_bottom("")
        if self._summary:
            self._output.write_line(self._summary)

    def _keep_moving(self) -> None:
        while not self._is_over.wait(_EVERY_S):
            self._draw()

    def _draw(self) -> None:
        if not self._head or self._is_over.is_set():
            return
        took_s = self._monotonic() - self._began_at
        frame = _FRAMES[int(took_s / _EVERY_S) % len(_FRAMES)]
        running = f"; {', '.join(list(self._running))}" if self._running else ""
        doing = self._phase or f"{self._ended} of {self._total} tasks done{running}"
        self._screen.show_at_bottom(f"{frame} {self._head} {took_s:.0f} s: {doing}")


def display_for(output: SurvivingHandler, *, is_manual: bool, verbose: bool) -> RunDisplay:
    """Return what shows a run here: a person who started it at a terminal gets the live one."""
    screen = sys.stderr
    if is_manual and isinstance(screen, Screen) and screen.is_terminal:
        return LiveDisplay(output, screen, verbose=verbose)
    return RunDisplay(output)
