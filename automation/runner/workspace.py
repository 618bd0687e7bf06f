"""Where the tasks of one run live: their temporary directory and their environment."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from automation.executor.chosen_tasks import own_environment, with_command_line
from automation.jobs.model import Profile, Task
from automation.runner.task_environment import task_environment
from monitoring.base.settings import Settings
from monitoring.base.temporary import temporary_directory

log = logging.getLogger("automation.runner.workspace")

_PREFIX = "run-"


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
