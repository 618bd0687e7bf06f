"""The scripts and monitors that a jobs.yaml names, and whether each can be read as what it should be.

The validate verb asks. It compiles scripts and has monitors read in a child; no script is imported or run.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from automation.jobs.paths import file_fault
from automation.jobs.rules import files_named
from automation.sync.command import Finished, run_command
from monitoring.base.settings import CHECKOUT
from monitoring.base.yaml.marks import Place, YamlNode

_CHECKS_LIMIT_S = 60.0


@dataclass(frozen=True, slots=True)
class NamedFile:
    """A file relative to the checkout, and the first place in jobs.yaml that names it."""

    file: str
    path: str
    is_monitor: bool


@dataclass(frozen=True, slots=True)
class FileReport:
    """The finished lines of what is wrong in files, and of what is valid but doubtful."""

    mistakes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def named_files(root: YamlNode, checkout: Path) -> list[NamedFile]:
    """Return each file once, in the order of the document; paths that break the rules are left out."""
    found: dict[str, NamedFile] = {}
    for at, file in files_named(root):
        if file not in found and file_fault(file, checkout) is None:
            found[file] = NamedFile(file, at.path, is_monitor=at.path.endswith("]"))
    return list(found.values())


def report_of(files: Sequence[NamedFile], checkout: Path) -> FileReport:
    """Read every script and monitor, and return what is wrong in them."""
    scripts = [named for named in files if not named.is_monitor]
    faults = [(named, fault) for named in scripts if (fault := _script_fault(checkout / named.file))]
    lines = [f"{named.file}:{place} {named.path}: {text}" for named, (place, text) in faults]
    monitors = [named.file for named in files if named.is_monitor]
    of_monitors = _monitor_report(monitors, checkout) if monitors else FileReport()
    faulty = {named.file for named, _ in faults}
    doubtful = _script_warnings([named.file for named in scripts if named.file not in faulty], checkout)
    return FileReport(lines + of_monitors.mistakes, of_monitors.warnings + doubtful)


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


def _script_warnings(files: Sequence[str], checkout: Path) -> list[str]:
    """Ask the toolkit what it finds in monitors: warnings, since a line that is wrong may never run."""
    monitors = [file for file in files if b"utils.monitor" in (checkout / file).read_bytes()]
    if not monitors:
        return []
    done = _ask(["utils.mistakes", "--json", *monitors], checkout)
    try:
        parts = [str(line).partition(" ") for line in json.loads(done.stdout)]
    except ValueError:
        return []  # an older toolkit, or one that cannot run: the run says so
    return [f"{place} warning: {text}" for place, _, text in parts]


def _ask(module: Sequence[str], checkout: Path) -> Finished:
    environ = {**os.environ, "PYTHONPATH": f"{checkout}{os.pathsep}{CHECKOUT}"}
    return run_command([sys.executable, "-m", *module], cwd=checkout, environ=environ, time_limit_s=_CHECKS_LIMIT_S)


def _monitor_report(files: Sequence[str], checkout: Path) -> FileReport:
    """Ask the checks themselves, in a child: the runner never imports what it starts."""
    done = _ask(["monitoring.checks", "validate", "--json", *files], checkout)
    try:
        found = json.loads(done.stdout)
        return FileReport([str(line) for line in found["mistakes"]], [str(line) for line in found.get("warnings", ())])
    except (ValueError, KeyError, TypeError):
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        how = f"not done after {_CHECKS_LIMIT_S:.0f} s" if done.timed_out else last
        return FileReport([f"{files[0]}:1:1 the monitors cannot be validated: {how}"])
