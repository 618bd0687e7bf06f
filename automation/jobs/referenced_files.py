"""The scripts and monitors that a jobs.yaml names, and whether each can be read as what it should be.

The validate verb asks. It compiles scripts and has monitors read in a child; no script is imported or run.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from collections.abc import Iterator
from collections.abc import Sequence as Many
from dataclasses import dataclass
from pathlib import Path

from automation.jobs.nodes import Document, Mapping, Mistake, Scalar, Sequence, Steps, Value
from automation.jobs.paths import check_file
from automation.sync.command import run_command
from monitoring.base.settings import CHECKOUT
from monitoring.base.yaml.text import Place

_CHECKS_LIMIT_S = 60.0


@dataclass(frozen=True, slots=True)
class NamedFile:
    """A file relative to the checkout, and the first place in jobs.yaml that names it."""

    file: str
    path: Steps

    @property
    def is_monitor(self) -> bool:
        return "monitors" in self.path


def named_files(document: Document, checkout: Path) -> list[NamedFile]:
    """Return each file once, in the order of the document; paths that break the rules are left out."""
    found: dict[str, NamedFile] = {}
    for path, value in _paths(document):
        try:
            file = check_file(str(value), checkout)
        except ValueError:
            continue  # config.py tells what is wrong with the path
        found.setdefault(file, NamedFile(file, path))
    return list(found.values())


def faults_of(files: Many[NamedFile], checkout: Path) -> list[str]:
    """Return the finished lines of what is wrong in the files, none if nothing is."""
    scripts = [named for named in files if not named.is_monitor]
    faults = [(named, fault) for named in scripts if (fault := _script_fault(checkout / named.file))]
    lines = [Mistake(place, named.path, text).render(named.file) for named, (place, text) in faults]
    monitors = [named.file for named in files if named.is_monitor]
    return lines + (_monitor_faults(monitors, checkout) if monitors else [])


def _paths(document: Document) -> Iterator[tuple[Steps, Scalar]]:
    profiles = document.at(("profiles",))
    for name in profiles if isinstance(profiles, Mapping) else ():
        tasks = document.at(("profiles", name, "tasks"))
        for index, task in enumerate(tasks if isinstance(tasks, Sequence) else ()):
            for steps, value in _sources(task):
                if isinstance(value, Scalar) and "\0" not in value:
                    yield ("profiles", name, "tasks", index, *steps), value


def _sources(task: Value) -> Iterator[tuple[Steps, Value]]:
    if not isinstance(task, Mapping):
        return
    if "script" in task:
        yield ("script",), task["script"]
    monitors = task.get("monitors")
    for position, monitor in enumerate(monitors if isinstance(monitors, Sequence) else ()):
        yield ("monitors", position), monitor


def _script_fault(path: Path) -> tuple[Place, str] | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an odd escape in a script is its author's business
            compile(path.read_bytes(), path, "exec", dont_inherit=True)
    except SyntaxError as error:
        return Place(error.lineno or 1, max(error.offset or 1, 1)), f"not Python: {error.msg}; correct the script"
    except (OSError, ValueError, RecursionError, MemoryError) as error:
        return Place(1, 1), f"cannot be compiled ({error}): correct the script"
    return None


def _monitor_faults(files: Many[str], checkout: Path) -> list[str]:
    """Ask the checks themselves, in a child: the runner never imports what it starts."""
    argv = [sys.executable, "-m", "monitoring.checks", "validate", "--json", *files]
    environ = {**os.environ, "PYTHONPATH": f"{checkout}{os.pathsep}{CHECKOUT}"}
    done = run_command(argv, cwd=checkout, environ=environ, time_limit_s=_CHECKS_LIMIT_S)
    try:
        mistakes = json.loads(done.stdout)["mistakes"]
    except (ValueError, KeyError, TypeError):
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        how = f"not done after {_CHECKS_LIMIT_S:.0f} s" if done.timed_out else last
        return [f"{files[0]}:1:1 the monitors cannot be validated: {how}"]
    return [str(mistake) for mistake in mistakes]
