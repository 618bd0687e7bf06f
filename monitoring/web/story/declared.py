"""Where a check is declared, and what runs it: the file and line, the task, its profile and the next tick.

Tasks are those that the runner stored; the files are searched as text, never loaded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monitoring.conditions.condition import Condition
from monitoring.store.db.database import Database
from monitoring.store.tables import configured_protocols

_LARGEST = 400_000  # bytes: no file of monitors is near it


@dataclass(frozen=True, slots=True)
class DeclaredPlace:
    """`place` is `file:line`, or the file alone where the check's line was not found; each part may be empty."""

    place: str = ""
    task: str = ""
    profile: str = ""
    runbook: str = ""


NOWHERE = DeclaredPlace()


def declared(database: Database, condition: Condition, checkout: Path) -> DeclaredPlace:
    """Find what is known of a check's origin; nothing of one that no task has."""
    for task in _tasks(database, condition):
        files = task.get("monitors") or [task.get("script", "")]
        for file in files:
            line = _line(checkout / file, condition.key.monitor, condition.key.check)
            if line is not None:
                runbook = next((one.get("runbook", "") for one in task.get("about", ()) if one["file"] == file), "")
                place = f"{file}:{line}" if line else file
                return DeclaredPlace(place, task["name"], task["profile"], runbook)
    first = next(_tasks(database, condition), None)
    if first is None or first["name"] != condition.owner_task:
        return DeclaredPlace(task=condition.owner_task)
    return DeclaredPlace(task=first["name"], profile=first["profile"])


def _tasks(database: Database, condition: Condition) -> Iterator[Mapping[str, Any]]:
    """Yield the task that judged it last, then those of its protocol."""
    every = [(row["name"], task) for row in configured_protocols.read(database) for task in row["tasks"]]
    yield from (task for _, task in every if task["name"] == condition.owner_task)
    yield from (task for name, task in every if name == condition.protocol and task["name"] != condition.owner_task)


def _line(file: Path, monitor: str, check: str) -> int | None:
    """Return the line that declares a check, 0 where only its monitor was found, none where neither was."""
    try:
        if file.stat().st_size > _LARGEST:
            return None
        text = file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    named = (
        rf"""^monitor:[ \t]+["']?{re.escape(monitor)}["']?[ \t]*(?:#.*)?$|\bmonitor\(\s*["']{re.escape(monitor)}["']"""
    )
    if not re.search(named, text, re.MULTILINE):
        return None
    found = next((one for one in _ID.finditer(text) if _is_of(one[1], check)), None)
    found = found or re.search(rf"""["']{re.escape(check)}["']""", text)
    return text.count("\n", 0, found.start()) + 1 if found else 0


# An id may name a row: `utilisation/{m.symbol}`.
_ID = re.compile(r"""\bid:[ \t]*["']?((?:[^"',}{\s#]|\{[^}\n]*\})+)""")
_FIELD = re.compile(r"\{[^}]*\}")


def _is_of(written: str, check: str) -> bool:
    """Return whether an id as a file has it is that of a check."""
    return re.fullmatch(".+".join(map(re.escape, _FIELD.split(written))), check) is not None
