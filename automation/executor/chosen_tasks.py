"""Which tasks of a profile run, the command and the variables of each, and what a fork server loads for them.

All that must be known before the fork server is started: the rest of a run is loaded while that starts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from automation.jobs.model import Profile, Task
from monitoring.base.errors import UsageError

# Third-party packages worth importing once in the fork server instead of in every task: what `utils` needs
# of its own, where a script names something of this checkout, and what a script may name.
_OF_UTILS = ("apsw", "orjson", "yaml")
_OURS = ("utils", "protocols", "monitoring")
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
    reads_chains = any(task.monitors for task in tasks)

    def is_needed(word: str) -> bool:
        return reads_chains or any(word in text for text in texts)

    named = [module for word, module in _IF_NAMED.items() if is_needed(word)]
    own = [*(_OF_FILES if reads_chains else ())]
    own += _OF_FUNCTIONS if any("utils.monitor" in text for text in texts) else ()
    return [*(_OF_UTILS if any(map(is_needed, _OURS)) else ()), *named, *own, *(_READING if own else ())]


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
