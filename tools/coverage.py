"""Writes docs/coverage.md: each check of the system that this one replaces, and what watches it here.

`tools/coverage.yaml` says what there is to watch; the monitors of protocols/ and jobs.yaml say what is watched, how
often and how loud. `python -m tools.coverage` writes, `--check` only says what does not agree (exit 1).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from automation.jobs.model import Task
from monitoring.alerts.message.model import Severity
from monitoring.checks.builtin import TYPES
from monitoring.checks.config.describe import describe
from monitoring.checks.config.load import load_monitor
from tools.watched import CHECKOUT, shipped_jobs, table

DATA = CHECKOUT / "tools/coverage.yaml"
PAGE = CHECKOUT / "docs/coverage.md"
# How often each profile runs, the most often first; a check may move up and not down.
_CADENCE = ("multisig", "hourly", "daily")
_HEAD = """# Coverage

Each check of the system that this one replaces, and what watches it here. `python -m tools.coverage` makes this page of
`tools/coverage.yaml`, the monitors and `automation/jobs.yaml`; a test holds it against them: every check named here is
declared, scheduled at least as often, and as loud.

"""


@dataclass(frozen=True, slots=True)
class _Watched:
    """What watches a check here: how many conditions, how loud at worst (None where data decides), how often."""

    conditions: int
    worst: Severity | None
    profile: str


class Coverage:
    """The checks to cover, held against what is declared and scheduled."""

    def __init__(self) -> None:
        self.scripts: list[dict[str, Any]] = yaml.safe_load(DATA.read_text(encoding="utf-8"))["scripts"]
        self._watched = dict(_watched_by_files())
        self._tasks = {task.script: name for name, task in _enabled_tasks() if task.script}

    def problems(self) -> Iterator[str]:
        """Yield what the data claims and the monitors do not bear out."""
        for script, check in self.checks():
            where = f"{script['script']}: {check['what']}"
            if ("left" in check) == ("by" in check):
                yield f"{where}: needs either `by` or `left`"
                continue
            found = [self.watched_by(name, check) for name in check.get("by", [])]
            yield from (
                f"{where}: {name} is not watched"
                for name, one in zip(check.get("by", []), found, strict=True)
                if not one
            )
            yield from (f"{where}: {problem}" for problem in _weaker(script, check, [one for one in found if one]))

    def checks(self) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
        return ((script, check) for script in self.scripts for check in script["checks"])

    def watched_by(self, name: str, check: Mapping[str, Any]) -> _Watched | None:
        """Return what is behind MONITOR/CHECK or SCRIPT#KEY, None where nothing is."""
        if "#" not in name:
            found = self._watched.get(name)
            # Where the rows of a check are a list of the chain or of a service, only a run knows how many there are.
            return replace(found, conditions=int(check["rows"])) if found and "rows" in check else found
        path, _, key = name.partition("#")
        folder = (CHECKOUT / path).parent
        profile = self._tasks.get(path)
        if profile is None or not any(key in file.read_text(encoding="utf-8") for file in folder.glob("*.py")):
            return None
        return _Watched(_rows(check, folder), None, profile)

    def page(self) -> str:
        """Return docs/coverage.md as it should be."""
        every = [check for _, check in self.checks()]
        covered = [check for check in every if "by" in check]
        counts = (len(covered), len(every), *(sum(one["conditions"] for one in some) for some in (covered, every)))
        text = _HEAD + "{} of {} checks, {} of {} conditions are watched.\n".format(*counts)
        for script in self.scripts:
            rows = [_row(check) for check in script["checks"]]
            text += f"\n## {script['script']} ({script['profile']})\n\n"
            text += table(("check", "conditions", "severity", "watched by", "here"), rows)
        return text


def _watched_by_files() -> Iterator[tuple[str, _Watched]]:
    for profile, task in _enabled_tasks():
        for file in task.monitors:
            (described,) = describe([load_monitor(CHECKOUT / file, TYPES)])
            for name in dict.fromkeys(one["check"] for one in described["checks"]):
                ours = [one for one in described["checks"] if one["check"] == name]
                severities = [Severity[one] for each in ours for one in each["severities"]]
                yield f"{described['monitor']}/{name}", _Watched(len(ours), max(severities, default=None), profile)


def _enabled_tasks() -> Iterator[tuple[str, Task]]:
    for profile in shipped_jobs().profiles.values():
        yield from ((profile.name, task) for task in profile.tasks if profile.enabled and task.enabled)


def _weaker(script: Mapping[str, Any], check: Mapping[str, Any], found: Sequence[_Watched]) -> Iterator[str]:
    if not found:
        return
    if sum(one.conditions for one in found) < check["conditions"] and "fewer" not in check:
        yield f"has {check['conditions']} conditions there and {sum(one.conditions for one in found)} here"
    loud = [one.worst for one in found if one.worst is not None]
    if loud and max(loud) < Severity[check["severity"]] and "here" not in check:
        yield f"is {check['severity']} there and {max(loud).name} here, without a reason"
    late = [one.profile for one in found if _CADENCE.index(one.profile) > _CADENCE.index(script["profile"])]
    if late and "here" not in check:
        yield f"runs {script['profile']} there and {late[0]} here, without a reason"


def _rows(check: Mapping[str, Any], folder: Path) -> int:
    """Return how many conditions a Python monitor has: a number, or as many as there are rows in its data."""
    rows = check.get("rows", check["conditions"])
    if isinstance(rows, int):
        return rows
    name, _, path = str(rows).partition(":")
    found: Any = yaml.safe_load((folder / name).read_text(encoding="utf-8"))
    for part in filter(None, path.split(".")):
        found = found[part]
    return len(found)


def _row(check: Mapping[str, Any]) -> tuple[str, ...]:
    by = ", ".join(f"`{name}`" for name in check.get("by", ())) or "-"
    here = check.get("here", "") if "by" in check else f"not watched: {check['left']}"
    return check["what"], str(check["conditions"]), check["severity"], by, here


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description="Write what is covered of the system that this one replaces.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if something does not agree")
    check = parser.parse_args(argv).check
    coverage = Coverage()
    problems = list(coverage.problems())
    text = coverage.page()
    if check and (not PAGE.exists() or PAGE.read_text(encoding="utf-8") != text):
        problems.append(f"{PAGE.name} is stale: python -m tools.coverage")
    elif not check:
        PAGE.write_text(text, encoding="utf-8")
    sys.stdout.writelines(f"{problem}\n" for problem in problems)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
