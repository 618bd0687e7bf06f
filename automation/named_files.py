"""The scripts and monitors that a jobs.yaml names, and whether each can be read as what it should be.

The validate verb asks. It compiles and parses, and never imports or runs anything.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from automation.checkout_paths import check_file
from automation.yaml_marks import Document, Mapping, Mistake, Scalar, Sequence, Steps, Value
from automation.yaml_reader import read_document
from monitoring.errors import ConfigError
from monitoring.yaml_text import Place


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


def faults_of(named: NamedFile, checkout: Path) -> list[str]:
    """Return the finished lines of what is wrong in a file, none if nothing is."""
    if named.is_monitor:
        return _monitor_faults(named, checkout)
    fault = _script_fault(checkout / named.file)
    return [Mistake(fault[0], named.path, fault[1]).render(named.file)] if fault else []


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
        return Place(error.lineno or 1, max(error.offset or 1, 1)), f"not Python: {error.msg}; mend the script"
    except (OSError, ValueError, RecursionError, MemoryError) as error:
        return Place(1, 1), f"cannot be compiled ({error}): mend the script"
    return None


def _monitor_faults(named: NamedFile, checkout: Path) -> list[str]:
    try:
        document = read_document(checkout / named.file, named.file)
    except ConfigError as error:
        return error.mistakes
    faults = list(document.mistakes)
    if not document.root or not isinstance(document.root, Mapping):
        faults.append(Mistake(document.root.place, named.path, "a monitor is a mapping: write its first key"))
    return [fault.render(named.file) for fault in faults]
