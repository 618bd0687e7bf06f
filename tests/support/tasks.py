"""Real tasks for tests: scripts in a directory of their own, run by the executor, and what came of them."""

from __future__ import annotations

import os
import textwrap
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from automation.executor.executor import Task, TaskResult, run_tasks

PATIENCE_S = 60.0  # on a slow, loaded machine; nothing waits this long when all is well


def plain_env(**more: str) -> dict[str, str]:
    """The environment of a task: nothing of the test run's own but the path and the home."""
    return {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), "LANG": "C.UTF-8", **more}


def wait_until(condition: Callable[[], object], patience_s: float = PATIENCE_S) -> bool:
    """Poll until `condition` holds; False when it did not in time."""
    ends_at = time.monotonic() + patience_s
    while time.monotonic() < ends_at:
        if condition():
            return True
        time.sleep(0.005)
    return bool(condition())


def processes_in(directory: Path) -> set[int]:
    """The processes whose working directory is `directory`: a task, what it started, and the fork server."""
    found = set()
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and (entry / "cwd").readlink() == directory:
                found.add(int(entry.name))
        except OSError:  # it ended, or is a zombie
            continue
    return found


class World:
    """A working directory, the scripts in it, and everything the executor said of a run."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory.resolve()
        self.lines: list[tuple[str, str]] = []
        self.started: list[tuple[str, int]] = []
        self.told: list[TaskResult] = []

    def script(self, name: str, text: str) -> str:
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return name

    def task(self, name: str, text: str, *args: str, env: Mapping[str, str] | None = None, **more: Any) -> Task:
        script = self.script(f"{name}.py", text)
        fields = {"timeout_s": PATIENCE_S, **more}
        return Task(name=name, argv=(script, *args), env=plain_env() if env is None else env, **fields)

    def run(self, *tasks: Task, **options: Any) -> dict[str, TaskResult]:
        self.told.clear()
        usual: dict[str, Any] = {
            "cwd": self.directory,
            "on_line": lambda task, line: self.lines.append((task, line)),
            "on_start": lambda task, pid: self.started.append((task, pid)),
            "on_result": self.told.append,
            "grace_s": 2.0,
        }
        results = run_tasks(tasks, **(usual | options))
        assert [result.name for result in results] == [task.name for task in tasks]
        assert sorted(self.told, key=lambda result: result.name) == sorted(results, key=lambda result: result.name)
        return {result.name: result for result in results}

    def output(self, task: str) -> list[str]:
        return [line for name, line in self.lines if name == task]

    def survivors(self) -> set[int]:
        return processes_in(self.directory)


def names(results: Sequence[TaskResult]) -> list[str]:
    return [result.name for result in results]
