"""Where the tasks of one run live: their temporary directory, their commands, their lines in the log."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from automation.jobs.model import Profile, Task
from automation.runner.task_environment import task_environment
from monitoring.base.errors import UsageError
from monitoring.base.settings import Settings
from monitoring.base.temporary import temporary_directory

log = logging.getLogger("automation.runner.workspace")

_PREFIX = "run-"
# Third-party packages worth importing once in the fork server instead of in every task: what `utils` needs
# of its own, and what a script may name.
_OF_UTILS = ("apsw", "orjson", "yaml")
_IF_NAMED = {"eth_abi": "eth_abi", "eth_hash": "eth_hash.auto", "httpx2": "httpx2", "web3": "web3"}
# Our own, which every such task would load for itself, for longer than it computes. Not what reads the environment
# when it is imported, which is each task's own (utils/cache.py).
_READING = (
    "httpcore2",
    "monitoring.chains.rpc.views",
    "monitoring.checks.engine.read",
    "monitoring.checks.engine.source_health",
)
_OF_FILES = ("monitoring.checks.commands", "monitoring.checks.config.load", "monitoring.checks.state.kept_reading")
_OF_FUNCTIONS = ("utils.monitor", "utils.script", "utils.judging", "utils.chain")


class Workspace:
    """A private temporary directory for one run: `/tmp` belongs to a scheduler that may be restarted under it."""

    def __init__(self, settings: Settings, profile: Profile, *, is_brief: bool = False) -> None:
        self._settings = settings
        self._is_brief = is_brief
        self._profile = profile
        self.temporary = _temporary_directory(settings.cache_dir)

    def remove(self) -> None:
        shutil.rmtree(self.temporary, ignore_errors=True)

    def ready(self, tasks: Sequence[Task], run_id: int | None) -> list[Task]:
        """Return the tasks as the executor needs them: with argv, complete environment, and needs among these."""
        names = {task.name for task in tasks}
        return [
            replace(
                with_command_line(task),
                env=self.environment(task, run_id),
                needs=tuple(need for need in task.needs if need in names),
            )
            for task in tasks
        ]

    def environment(self, task: Task, run_id: int | None) -> dict[str, str]:
        return task_environment(
            self._settings.environ,
            checkout=self._settings.checkout,
            cache_dir=self._settings.cache_dir,
            temporary=self.temporary,
            run_id=run_id,
            task=task.name,
            heartbeat_names=[self._profile.heartbeat_env] if self._profile.heartbeat_env else [],
            own=own_environment(self._profile, task),
            is_brief=self._is_brief,
        )


def with_command_line(task: Task) -> Task:
    """Return a task with its argv and, for YAML monitors, the module that runs them."""
    if task.script is None:
        return replace(task, module="monitoring.checks", argv=("monitoring.checks", "run", *task.monitors))
    return replace(task, argv=(task.script, *(f"--{key}={value}" for key, value in task.args.items())))


def preload_for(tasks: Sequence[Task], checkout: Path) -> list[str]:
    """Name the packages the fork server imports beforehand: only what these tasks will import.

    A package that is missing here costs its tasks time, one too many costs every run time.
    """
    texts = [_source(checkout / task.script) for task in tasks if task.script]
    has_files, has_functions = any(task.monitors for task in tasks), any("utils.monitor" in text for text in texts)
    named = [module for word, module in _IF_NAMED.items() if has_files or any(word in text for text in texts)]
    own = [*(_OF_FILES if has_files else ()), *(_OF_FUNCTIONS if has_functions else ())]
    return [*_OF_UTILS, *named, *own, *(_READING if own else ())]


def _source(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def own_environment(profile: Profile, task: Task) -> Mapping[str, str]:
    """Return what jobs.yaml itself sets for a task; the task's word beats the profile's."""
    return {**profile.env, **task.env}


def choose_tasks(profile: Profile, only: str | None) -> list[Task]:
    """Return the tasks to run: all enabled ones, or the one asked for even if it is disabled.

    Raises:
        UsageError: the profile has no task of that name.
    """
    if only is None:
        return [task for task in profile.tasks if task.enabled]
    found = [task for task in profile.tasks if task.name == only]
    if not found:
        known = ", ".join(task.name for task in profile.tasks) or "it has none"
        raise UsageError(f"{profile.name} has no task {only!r}; its tasks: {known}")
    return found


def remove_leftovers(cache_dir: Path) -> None:
    """Remove temporary directories whose run is gone: each is named by the process that made it."""
    with suppress(OSError):  # a state directory of somebody else cannot even be looked into
        for path in (cache_dir / "tmp").glob(f"{_PREFIX}*"):
            pid = path.name.removeprefix(_PREFIX).split("-")[0]
            if pid.isdecimal() and not Path(f"/proc/{pid}").exists():
                shutil.rmtree(path, ignore_errors=True)


def _temporary_directory(cache_dir: Path) -> Path:
    """Make a directory below the state directory; where that cannot be written, the system's must do."""
    parent = cache_dir / "tmp"
    prefix = f"{_PREFIX}{os.getpid()}-"
    with suppress(OSError):
        parent.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
    return Path(tempfile.mkdtemp(prefix=prefix, dir=temporary_directory()))
