"""The protocols of the enabled jobs with their tasks, as `/v1/protocols` answers. Files are searched, never loaded."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from automation.jobs.known_protocols import protocols_in
from automation.jobs.model import Jobs, Profile, Task
from monitoring.alerts.message.sanitize import clean_line, shorten
from monitoring.base.secrets.redact import redact

_MOST = 200  # characters of what a file says of itself
# What a file says it watches: the comment it begins with, or its docstring, up to the end of its first sentence.
_COMMENT = re.compile(r"\A(?:#(?!!)[ \t]?.*\n)+")
_DOCSTRING = re.compile(r'\A(?:#.*\n)*\s*"""(.+?)"""', re.DOTALL)
_SENTENCE = re.compile(r".+?[.?!](?=\s|$)", re.DOTALL)
_RUNBOOK = re.compile(r"""(?:^runbook:[ \t]+|\brunbook=)["']?([^\s"',)#]+)""", re.MULTILINE)
_ROWS = re.compile(r"\bfrom:[ \t]+[\"']?([\w-][\w./-]*\.ya?ml)\b")


def configured_protocols(jobs: Jobs, checkout: Path) -> list[dict[str, Any]]:
    """Return `{name, tasks: [{name, script | monitors, args, profile, cron, about}]}` a protocol, by name.

    `monitors` are those files of the task that name the protocol. A task whose files name none is under its own name.
    `about` has `{file, watches, runbook}` of each file that says something of itself.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    for profile in jobs.profiles.values():
        for task in profile.enabled_tasks if profile.enabled else ():
            for protocol, files in _files_by_protocol(task, checkout).items():
                found.setdefault(protocol, []).append(_row(profile, task, files, checkout))
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
    text = "" if file.suffix == ".py" else _text(file)
    yield from (file.parent / name for name in _ROWS.findall(text))


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _about(file: str, checkout: Path) -> dict[str, str]:
    """Return what a file says it watches and where its runbook is; what it does not say is left out."""
    text = _text(checkout / file)
    if file.endswith(".py"):
        said = found[1] if (found := _DOCSTRING.match(text)) else ""
    else:
        said = re.sub(r"^#[ \t]?", "", found[0], flags=re.MULTILINE) if (found := _COMMENT.match(text)) else ""
    first = found[0] if (found := _SENTENCE.match(said.strip())) else said.strip()
    runbook = found[1] if (found := _RUNBOOK.search(text)) else ""
    named = {"watches": shorten(clean_line(first.replace("\n", " ")), _MOST), "runbook": shorten(runbook, _MOST)}
    return {"file": file, **{name: redact(value) for name, value in named.items() if value}}


def _row(profile: Profile, task: Task, files: Sequence[str], checkout: Path) -> dict[str, Any]:
    about = [one for file in files if len(one := _about(file, checkout)) > 1]
    return {
        "name": task.name,
        **({"script": task.script} if task.script else {"monitors": list(files)}),
        "args": {name: redact(value) for name, value in task.args.items()},
        "profile": profile.name,
        "cron": profile.cron.canonical,
        **({"about": about} if about else {}),
    }
