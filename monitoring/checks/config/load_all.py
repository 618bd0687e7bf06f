"""Loads the monitor files of a task: one with mistakes stops only itself, and so does one that takes another's name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from monitoring.base.errors import ConfigError
from monitoring.checks.config.load import load_monitor
from monitoring.checks.engine.monitor import Monitor
from monitoring.checks.engine.plugin import Registry
from monitoring.conditions.condition import ConditionKey


def load_all(files: Sequence[str | Path], types: Registry) -> tuple[list[Monitor], list[str]]:
    """Return the sound monitors in their order, and one finished line for each mistake in the others."""
    found: dict[str, tuple[Monitor, str]] = {}
    mistakes: list[str] = []
    for file in files:
        try:
            monitor = load_monitor(Path(file), types)
        except ConfigError as error:
            mistakes += error.mistakes
            continue
        if monitor.name in found:
            other = found[monitor.name][1]
            mistakes.append(f"{file}:1:1 monitor: {other} is called {monitor.name} too, and state is kept by the name")
        elif twice := _twice(monitor):
            mistakes.append(f"{file}:1:1 two checks share one condition, {twice.check}: give each a name of its own")
        else:
            found[monitor.name] = (monitor, str(file))
    return [monitor for monitor, _ in found.values()], mistakes


def _twice(monitor: Monitor) -> ConditionKey | None:
    seen: set[ConditionKey] = set()
    for part in monitor.parts():
        if part.key in seen:
            return part.key
        seen.add(part.key)
    return None
