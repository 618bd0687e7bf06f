"""The protocols of the enabled jobs with their tasks, as `/v1/protocols` answers. Files are searched, never loaded."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from automation.jobs.known_protocols import protocols_in
from automation.jobs.model import Jobs, Profile, Task
from monitoring.base.secrets.redact import redact

_ROWS = re.compile(r"\bfrom:[ \t]+[\"']?([\w-][\w./-]*\.ya?ml)\b")


def configured_protocols(jobs: Jobs, checkout: Path) -> list[dict[str, Any]]:
    """Return `{name, tasks: [{name, script | monitors, args, profile, cron}]}` a protocol, by name.

    `monitors` are those files of the task that name the protocol. A task whose files name none is under its own name.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    for profile in jobs.profiles.values():
        for task in profile.enabled_tasks if profile.enabled else ():
            for protocol, files in _files_by_protocol(task, checkout).items():
                found.setdefault(protocol, []).append(_row(profile, task, files))
    return [{"name": protocol, "tasks": found[protocol]} for protocol in sorted(found)]


def _files_by_protocol(task: Task, checkout: Path) -> dict[str, list[str]]:
    files = [task.script] if task.script else list(task.monitors)
    found: dict[str, list[str]] = {}
    for file in files:
        for protocol in sorted(protocols_in(_with_rows(checkout / file))):
            found.setdefault(protocol, []).append(file)
    return found or {task.name: files}


def _with_rows(file: Path) -> Iterable[Path]:
    """Return the file and the lists of rows that it names, whose rows may have protocols of their own."""
    yield file
    try:
        text = "" if file.suffix == ".py" else file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return
    yield from (file.parent / name for name in _ROWS.findall(text))


def _row(profile: Profile, task: Task, files: Sequence[str]) -> dict[str, Any]:
    return {
        "name": task.name,
        **({"script": task.script} if task.script else {"monitors": list(files)}),
        "args": {name: redact(value) for name, value in task.args.items()},
        "profile": profile.name,
        "cron": profile.cron.canonical,
    }
