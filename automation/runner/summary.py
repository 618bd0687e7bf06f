"""How a run ended, and the line that says so: `hourly: 147 checks: 146 ok, 1 firing, 0 no data; 4 tasks ok; 9 s`.

A task writes the count of its own checks (monitoring/checks/engine/listing.py); here the counts are added up.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta

from automation.executor.task import TaskResult, TaskStatus
from monitoring.base.formatting import format_duration
from monitoring.base.plural import counted
from monitoring.store.tables.runs import RunStatus

_LINE = re.compile(r"(\d+) checks?: (\d+ \w[\w ]*(?:, \d+ \w[\w ]*)*)(?: \((.*)\))?")
_STATE = re.compile(r"(\d+) (\w[\w ]*)")
_SOURCE = re.compile(r"(.+?) (\d+)(?:, |$)")  # a source may be `mainnet: asset() of 0x…`
_MOST_SOURCES = 3


NO_DATA = "no data: "  # begins the last line of a task whose checks mostly had none


def is_count(line: str) -> bool:
    """Return whether a line of a task counts its checks."""
    return " check" in line and _LINE.fullmatch(line) is not None


class CheckCounts:
    """The checks of a run's tasks, by state and by the source that could not be read."""

    def __init__(self) -> None:
        self._of_task: dict[str, re.Match[str]] = {}

    def note(self, task: str, line: str) -> None:
        """Take a line of a task: its last count is the one that holds."""
        if " check" in line and (found := _LINE.fullmatch(line)):
            self._of_task[task] = found

    def of(self, task: str) -> str:
        """Return what one task wrote, empty if it judged nothing."""
        return self._of_task[task][0] if task in self._of_task else ""

    def __str__(self) -> str:
        """Return the sum, empty if no task judged a check."""
        if not self._of_task:
            return ""
        states, sources = Counter[str](), Counter[str]()
        for found in self._of_task.values():
            states.update({name: int(number) for number, name in _STATE.findall(found[2])})
            sources.update({name.strip(): int(number) for name, number in _SOURCE.findall(found[3] or "")})
        total = sum(int(found[1]) for found in self._of_task.values())
        shown = ", ".join(f"{number} {name}" for name, number in states.items())
        worst = [f"{name} {number}" for name, number in sources.most_common(_MOST_SOURCES)]
        more = ", …" if len(sources) > _MOST_SOURCES else ""
        return f"{counted(total, 'check')}: {shown}" + (f" ({', '.join(worst)}{more})" if worst else "")


def summary(profile: str, results: Sequence[TaskResult], reason: str, checks: CheckCounts, took: timedelta) -> str:
    """Return the line; `reason` is that of the run's row, empty where all is well."""
    ok = sum(result.status is TaskStatus.OK for result in results)
    parts = [str(checks), reason or f"{counted(ok, 'task')} ok", format_duration(took)]
    return f"{profile}: {'; '.join(part for part in parts if part)}"


def verdict(results: Sequence[TaskResult], stopped_by: str) -> tuple[RunStatus, str]:
    """Say how the run ended, and why in one line."""
    if stopped_by:
        return "aborted", f"stopped by {stopped_by}"
    failed = [result for result in results if result.status is not TaskStatus.OK]
    if failed:
        names = ", ".join(f"{result.name} (no data)" if _had_no_data(result) else result.name for result in failed)
        return "failed", f"{len(failed)} of {len(results)} tasks failed: {names}"
    return "ok", ""


def _had_no_data(result: TaskResult) -> bool:
    """Return whether a task failed because its checks had no data, by its last lines."""
    return any(line.startswith(NO_DATA) for line in result.output_tail.splitlines())
