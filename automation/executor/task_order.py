"""Decides which tasks of a run start now and which never will. Pure; asked by the executor after every change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from automation.executor.task import Command, TaskStatus


@dataclass(frozen=True, slots=True)
class NextSteps:
    """What to do now: tasks to start, in this order, and tasks that will not run, each with the reason."""

    start: tuple[Command, ...] = ()
    skip: Mapping[str, str] = field(default_factory=dict)


def next_steps(
    commands: Sequence[Command], ended: Mapping[str, TaskStatus], running: AbstractSet[str], parallel: int
) -> NextSteps:
    """Choose by the written order: a task starts when all it needs ended ok and a place is free.

    A need that is not among `commands` (disabled, or one task started by hand) is no need. Tasks that need
    each other are skipped rather than waited for.
    """
    waiting = [command for command in commands if command.name not in ended and command.name not in running]
    skip = {command.name: reason for command in waiting if (reason := _never(command, ended))}
    if skip:
        return NextSteps(skip=skip)
    ahead = {command.name for command in waiting} | running
    ready = [command for command in waiting if ahead.isdisjoint(command.needs)]
    if waiting and not ready and not running:
        return NextSteps(skip={command.name: _circle(command, ahead) for command in waiting})
    return NextSteps(start=tuple(ready[: max(0, parallel - len(running))]))


def _never(command: Command, ended: Mapping[str, TaskStatus]) -> str | None:
    for need in command.needs:
        status = ended.get(need, TaskStatus.OK)
        if status is not TaskStatus.OK:
            return f"needs {need!r}, which {_DID[status]}"
    return None


def _circle(command: Command, ahead: AbstractSet[str]) -> str:
    need = next(need for need in command.needs if need in ahead)
    return f"needs {need!r}, which in turn waits for it"


_DID = {
    TaskStatus.FAILED: "failed",
    TaskStatus.TIMEOUT: "timed out",
    TaskStatus.ABORTED: "was aborted",
    TaskStatus.SKIPPED: "was skipped",
}
