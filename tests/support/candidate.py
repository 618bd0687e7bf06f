"""A small project of its own, with its own `automation`, to be validated as a candidate."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.support.child import CHECKOUT

_MAIN = """
import sys
from pathlib import Path
if sys.argv[1:] == ["validate"]:
    mistakes = Path("mistakes")
    if mistakes.exists():
        print(mistakes.read_text())
        sys.exit(2)
"""
_CONFIG = """
import json
from types import SimpleNamespace as Model

def load_jobs(path, checkout):
    profiles = json.loads(path.read_text())["profiles"]
    for fields in profiles.values():
        fields["tasks"] = [Model(**task) for task in fields["tasks"]]
    return Model(profiles={name: Model(**fields) for name, fields in profiles.items()})
"""


def task(script: str | None, *, enabled: bool = True, env: Mapping[str, str] | None = None) -> dict[str, Any]:
    return {"script": script, "enabled": enabled, "env": dict(env or {}), "monitors": []}


def profile(*tasks: dict[str, Any], enabled: bool = True, env: Mapping[str, str] | None = None) -> dict[str, Any]:
    return {"enabled": enabled, "sync_before_run": True, "env": dict(env or {}), "tasks": list(tasks)}


def project(scripts: Mapping[str, str], profiles: Mapping[str, Any] | None = None) -> dict[str, str]:
    """The files of a project that schedules these scripts; its jobs.yaml is written as JSON."""
    scheduled = profiles or {"hourly": profile(*map(task, _scheduled(scripts)))}
    return {
        "automation/__init__.py": "",
        "automation/__main__.py": _MAIN,
        "automation/jobs/load.py": _CONFIG,
        "automation/import_check.py": (CHECKOUT / "automation/import_check.py").read_text(),
        "automation/jobs.yaml": json.dumps({"profiles": scheduled}),
        **scripts,
    }


def _scheduled(scripts: Mapping[str, str]) -> Sequence[str]:
    return [name for name in scripts if name.endswith("main.py")]


def cannot_run(candidate: Path, *, environ: Mapping[str, str], time_limit_s: float) -> str:
    """Stand for the candidate's own run: these projects are too small to have one."""
    return ""


def write(directory: Path, files: Mapping[str, str]) -> Path:
    for name, content in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return directory
