"""Which monitors jobs.yaml still names, so that what the others left behind is ended. The runner asks at each tick."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from automation.jobs.files import main_file, open_file
from automation.jobs.model import Jobs
from automation.jobs.rules import files_named

# A top-level key, as every monitor file begins; the file itself is for its own task to judge.
_NAME = re.compile(r"""^monitor:[ \t]+["']?([a-z0-9][a-z0-9_-]*)["']?[ \t]*(?:#.*)?$""", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class ReferencedMonitors:
    """The monitors that any profile names, and those of them whose task and profile are switched on."""

    named: frozenset[str]
    run: frozenset[str]


def watched_of(jobs: Jobs, checkout: Path) -> ReferencedMonitors | None:
    """Read the names of all monitors; None if a file has no readable name: then none may be missed."""
    tasks = [(task, profile.enabled and task.enabled) for profile in jobs.profiles.values() for task in profile.tasks]
    named = _names((file for task, _ in tasks for file in task.monitors), checkout)
    run = _names((file for task, is_on in tasks if is_on for file in task.monitors), checkout)
    return None if named is None or run is None else ReferencedMonitors(named, run)


def own_monitors(config: Path, checkout: Path) -> list[str]:
    """Return the monitor files of a team: those in protocols/ that jobs.yaml itself, which ships, does not name.

    Raises:
        ConfigError: jobs.yaml cannot be read.
    """
    shipped = {file for _, file in files_named(open_file(main_file(config)))}
    files = sorted(checkout.glob("protocols/*/*.yaml"))
    found = [str(file.relative_to(checkout)) for file in files if not file.parent.name.startswith("_") and _name(file)]
    return [file for file in found if file not in shipped]


def _names(files: Iterable[str], checkout: Path) -> frozenset[str] | None:
    found = [_name(checkout / file) for file in dict.fromkeys(files)]
    known = frozenset(name for name in found if name)
    return known if all(found) else None


def _name(path: Path) -> str:
    try:
        found = _NAME.search(path.read_text(encoding="utf-8-sig", errors="replace"))
    except OSError:
        return ""
    return found[1] if found else ""
