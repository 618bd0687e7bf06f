"""What the enabled tasks watch: the channels their alerts go to, and the chains they read. Asked of a child, once."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from automation.jobs.load import load_jobs
from automation.status.doctor import DoctorContext
from monitoring.base.errors import ConfigError

_LIMIT_S = 30


@dataclass(frozen=True, slots=True)
class WatchedByFiles:
    """Channels and chain ids of the monitor files of all enabled tasks; of Python scripts nothing is known."""

    channels: frozenset[str] = frozenset()
    chains: frozenset[int] = frozenset()


def watched(context: DoctorContext) -> WatchedByFiles:
    """Return what is watched; nothing where jobs.yaml or the files cannot be read, which others report."""
    return _watched(context.config, context.settings.checkout, context.settings.cache_dir)


@functools.cache
def _watched(config: Path, checkout: Path, cache_dir: Path) -> WatchedByFiles:
    try:
        jobs = load_jobs(config, checkout)
    except ConfigError:
        return WatchedByFiles()
    tasks = [task for profile in jobs.profiles.values() if profile.enabled for task in profile.tasks if task.enabled]
    files = dict.fromkeys(file for task in tasks for file in task.monitors)
    described = _described(list(files), checkout, cache_dir) if files else []
    return WatchedByFiles(
        frozenset(str(monitor["channel"]) for monitor in described),
        frozenset(int(chain) for monitor in described for chain in monitor["chains"]),
    )


def _described(files: list[str], checkout: Path, cache_dir: Path) -> list[Mapping[str, Any]]:
    argv = [sys.executable, "-m", "monitoring.checks", "describe", "--json", *files]
    environ = {"CACHE_DIR": str(cache_dir), "MONITORING_ENV_FILE": ""}
    try:
        done = subprocess.run(
            argv, cwd=checkout, env=environ, capture_output=True, text=True, timeout=_LIMIT_S, check=False
        )
        found: list[Mapping[str, Any]] = json.loads(done.stdout)
    except (OSError, subprocess.TimeoutExpired, ValueError):
        return []
    return found
