"""Decides which tasks of a run start now and which never will. Pure; asked by the executor after every change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from automation.executor.task import TaskStatus
from automation.jobs.model import Task


@dataclass(frozen=True, slots=True)
class NextSteps:
    """What to do now: tasks to start, in this order, and tasks that will not run, each with the reason."""

    start: tuple[Task, ...] = ()
    skip: Mapping[str, str] = field(default_factory=dict)


def next_steps(
    tasks: Sequence[Task], ended: Mapping[str, TaskStatus], running: AbstractSet[str], parallel: int
) -> NextSteps:
    """Choose by the written order: a task starts when all it needs ended ok and a place is free.

    A need that is not among `tasks` (disabled, or one task started by hand) is no need. Tasks that need
    each other are skipped rather than waited for.
    """
    waiting = [task for task in tasks if task.name not in ended and task.name not in running]
    skip = {task.name: reason for task in waiting if (reason := _never(task, ended))}
    if skip:
        return NextSteps(skip=skip)
    ahead = {task.name for task in waiting} | running
    ready = [task for task in waiting if ahead.isdisjoint(task.needs)]
    if waiting and not ready and not running:
        return NextSteps(skip={task.name: _circle(task, ahead) for task in waiting})
    return NextSteps(start=tuple(ready[: max(0, parallel - len(running))]))


def _never(task: Task, ended: Mapping[str, TaskStatus]) -> str | None:
    for need in task.needs:
        status = ended.get(need, TaskStatus.OK)
        if status is not TaskStatus.OK:
            return f"needs {need!r}, which {_DID[status]}"
    return None


def _circle(task: Task, ahead: AbstractSet[str]) -> str:
    need = next(need for need in task.needs if need in ahead)
    return f"needs {need!r}, which in turn waits for it"


_DID = {
    TaskStatus.FAILED: "failed",
    TaskStatus.TIMEOUT: "timed out",
    TaskStatus.ABORTED: "was aborted",
    TaskStatus.SKIPPED: "was skipped",
}
