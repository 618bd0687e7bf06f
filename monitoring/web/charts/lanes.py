"""The tasks of a run side by side: how long each waited, when it ran. Geometry alone: a template draws it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from monitoring.base.formatting import format_duration
from monitoring.store.tables.runs import RunRow, TaskRun

WIDTH = 1000
_THINNEST = 6.0  # what is there must be seen


@dataclass(frozen=True, slots=True)
class TaskLane:
    """One task: where its bar begins and how wide it is, of `WIDTH`; what it shows in words."""

    x: float
    width: float
    words: str


def lanes(run: RunRow, tasks: Sequence[TaskRun], now: datetime) -> dict[str, TaskLane]:
    """Return the lane of each task by name; one that still runs reaches to `now`."""
    ends = [run.ended_at or now, *(task.ended_at or now for task in tasks)]
    whole = max((max(ends) - run.started_at).total_seconds(), 0.001)
    return {task.name: _lane(task, run.started_at, whole, now) for task in tasks}


def _lane(task: TaskRun, begin: datetime, whole_s: float, now: datetime) -> TaskLane:
    # A clock that was set back must not draw to the left of the begin.
    waited_s = max(0.0, (task.started_at - begin).total_seconds())
    took_s = max(0.0, ((task.ended_at or now) - task.started_at).total_seconds())
    width = min(WIDTH, max(_THINNEST, took_s / whole_s * WIDTH))
    x = min(waited_s / whole_s * WIDTH, WIDTH - width)
    words = f"began after {_words(waited_s)}, ran {_words(took_s)}" + ("" if task.ended_at else " so far")
    return TaskLane(round(x, 1), round(width, 1), words)


def _words(seconds: float) -> str:
    return format_duration(timedelta(seconds=seconds))
