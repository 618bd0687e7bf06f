"""Writes what is watched into the READMEs of protocols/ and docs/monitors.md: tables made of the monitors.

`python -m tools.watched` writes, `--check` only says what is not as it should be (exit 1). A table stands between
`<!-- watched: monitor.yaml -->` and `<!-- end -->`, the overview in docs after `<!-- overview -->`.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from automation.jobs.files import open_file
from automation.jobs.load import read_jobs
from automation.jobs.model import Jobs
from monitoring.checks.builtin import TYPES
from monitoring.checks.config.describe import describe
from monitoring.checks.config.load import load_monitor
from monitoring.checks.engine.formula_checks import FormulaPart
from monitoring.checks.engine.monitor import CHAINS, Monitor
from monitoring.checks.engine.plan import CheckInstance
from monitoring.checks.recorded.recording import unconfirmed_in
from monitoring.checks.rows.listed_check import ListedCheck
from protocols import SHIPPED

CHECKOUT = Path(__file__).resolve().parents[1]
JOBS = CHECKOUT / "automation/jobs.yaml"
OVERVIEW = CHECKOUT / "docs/monitors.md"
_TABLE = re.compile(r"(<!-- watched: (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)
_OVERVIEW = re.compile(r"(<!-- overview -->\n).*?(<!-- end -->)", re.DOTALL)
_MOST_ROWS = 12
_Told: TypeAlias = tuple[CheckInstance, Mapping[str, Any]]


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description="Write what is watched into the documents.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a table is not as it should be")
    check = parser.parse_args(argv).check
    stale = [path for path, text in documents().items() if path.read_text(encoding="utf-8") != text]
    for path in stale:
        sys.stdout.write(f"{path.relative_to(CHECKOUT)}{' is stale: python -m tools.watched' if check else ''}\n")
        if not check:
            path.write_text(documents()[path], encoding="utf-8")
    return 1 if check and stale else 0


def documents() -> dict[Path, str]:
    """Return each document with its tables as they should be."""
    found: dict[Path, str] = {}
    for path in (CHECKOUT / "protocols" / name / "README.md" for name in SHIPPED):
        text = path.read_text(encoding="utf-8")
        found[path] = _TABLE.sub(lambda match, folder=path.parent: _filled(match, folder), text)  # type: ignore[misc]
    overview = _OVERVIEW.sub(lambda match: match[1] + overview_table() + match[2], OVERVIEW.read_text(encoding="utf-8"))
    return {**found, OVERVIEW: overview}


def _filled(match: re.Match[str], folder: Path) -> str:
    return match[1] + checks_table(load_monitor(folder / match[2], TYPES)) + match[3]


def checks_table(monitor: Monitor) -> str:
    """Return the table of a monitor's checks, one row for all of its rows and chains, as `describe` lists them."""
    (described,) = describe([monitor])
    checks: dict[str, list[_Told]] = {}
    for part, words in zip(monitor.parts(), described["checks"], strict=True):
        checks.setdefault(part.key.check, []).append((part, words))
    rows = [_row(name, found) for name, found in checks.items()]
    return table(("check", "what is said", "reads", "allowed", "severity", "of"), rows)


def shipped_jobs() -> Jobs:
    """Return what jobs.yaml itself says, whatever a team has in jobs.d."""
    return read_jobs(open_file(JOBS), CHECKOUT)


def overview_table() -> str:
    """Return the table of all tasks with shipped monitors, in the order of jobs.yaml."""
    rows: list[tuple[str, ...]] = []
    for profile in shipped_jobs().profiles.values():
        for task in profile.tasks:
            for file in (one for one in task.monitors if Path(one).parent.name in SHIPPED):
                monitor = load_monitor(CHECKOUT / file, TYPES)
                folder = Path(file).parent.name
                chains = sorted({part.key.chain for part in monitor.parts()} - {0})
                where = ", ".join(CHAINS.get(chain, str(chain)) for chain in chains) or "-"
                marked = [
                    one.source for one in unconfirmed_in([(CHECKOUT / file).parent]) if one.monitor == monitor.name
                ]
                off = [] if task.enabled and profile.enabled else ["off"]
                notes = "; ".join([*off, *([f"unconfirmed: {', '.join(marked)}"] if marked else [])])
                link = f"[{Path(file).relative_to('protocols')}](../protocols/{folder}/README.md)"
                rows.append((profile.name, task.name, link, str(len(monitor.parts())), where, notes))
            if task.script is not None and _watches(str(task.script)):
                link = f"[{Path(task.script).relative_to('protocols')}](../{_page_of(Path(task.script))})"
                marked = [one.source for one in unconfirmed_in([(CHECKOUT / task.script).parent])]
                notes = "; ".join(
                    [*([] if task.enabled else ["off"]), *([f"unconfirmed: {', '.join(marked)}"] if marked else [])]
                )
                rows.append((profile.name, task.name, link, "in Python", "", notes))
    return table(("profile", "task", "monitor", "conditions", "chains", ""), rows)


def _watches(script: str) -> bool:
    """Return whether a shipped script is a monitor, and not the upkeep of the host."""
    folder = Path(script).parts[1]
    return folder in SHIPPED and folder not in ("drill", "housekeeping")


def _page_of(script: Path) -> Path:
    own = script.parent / "README.md"
    return own if (CHECKOUT / own).exists() else Path(*script.parts[:2], "README.md")


def _row(name: str, found: Sequence[_Told]) -> tuple[str, ...]:
    parts, described = [part for part, _ in found], [words for _, words in found]
    subjects = list(dict.fromkeys(part.key.subject for part in parts if part.key.subject))
    more = f" and {len(subjects) - _MOST_ROWS} more" if len(subjects) > _MOST_ROWS else ""
    chains = ", ".join(CHAINS[chain] for chain in dict.fromkeys(part.key.chain for part in parts) if chain in CHAINS)
    of = ", ".join(subjects[:_MOST_ROWS]) + more or next(
        (one.over for one in parts if isinstance(one, ListedCheck)), ""
    )
    return (
        name,
        _said(parts[0]),
        "; ".join(dict.fromkeys(f"`{part.check.formula}`" for part in map(_formula_part, parts) if part)),
        "; ".join(dict.fromkeys(str(words["bound"]) for words in described)),
        "; ".join(dict.fromkeys(", ".join(words["severities"]) for words in described)),
        " on ".join(filter(None, (of, chains))),
    )


def _said(part: CheckInstance) -> str:
    """Return the words of a check without the name of its row."""
    formula = _formula_part(part)
    text = formula.check.text if formula else ""
    is_of_row = part.key.subject or isinstance(part, ListedCheck)
    return re.sub(r"^\{[^{}]*\}: ", "", text.removeprefix(f"{part.key.subject}: ")) if is_of_row else text


def _formula_part(part: CheckInstance) -> FormulaPart | None:
    return part.part if isinstance(part, ListedCheck) else part if isinstance(part, FormulaPart) else None


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table of Markdown."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)]) + "\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
