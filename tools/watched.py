"""Writes what is watched into the READMEs of protocols/ and docs/monitors.md: tables made of the monitors.

`python -m tools.watched` writes, `--check` only says what is not as it should be (exit 1). A table stands between
`<!-- watched: monitor.yaml -->` and `<!-- end -->`, the overview in docs after `<!-- overview -->`.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path

from automation.config import load_jobs
from monitoring.checks.builtin import TYPES
from monitoring.checks.formula import FormulaPart
from monitoring.checks.loading import load_monitor
from monitoring.checks.model import CHAINS, Monitor
from monitoring.checks.plan import Part
from monitoring.checks.policy import Policy, Step
from monitoring.checks.telling import in_words
from monitoring.checks.values import Number
from monitoring.checks.verbs.age import AgePolicy
from monitoring.checks.verbs.delta import DeltaPolicy, Move
from monitoring.checks.verbs.diverge import DivergePolicy
from monitoring.checks.verbs.limit import LimitPolicy
from monitoring.checks.verbs.never_falls import NeverFallsPolicy
from monitoring.clock import format_duration

CHECKOUT = Path(__file__).resolve().parents[1]
JOBS = CHECKOUT / "automation/jobs.yaml"
OVERVIEW = CHECKOUT / "docs/monitors.md"
_TABLE = re.compile(r"(<!-- watched: (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)
_OVERVIEW = re.compile(r"(<!-- overview -->\n).*?(<!-- end -->)", re.DOTALL)
_MOVES = {Move.RISE: "rises", Move.DROP: "drops", Move.CHANGE: "moves"}
_MOST_ROWS = 12


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
    for path in sorted((CHECKOUT / "protocols").glob("*/README.md")):
        text = path.read_text(encoding="utf-8")
        found[path] = _TABLE.sub(lambda match, folder=path.parent: _filled(match, folder), text)  # type: ignore[misc]
    overview = _OVERVIEW.sub(lambda match: match[1] + overview_table() + match[2], OVERVIEW.read_text(encoding="utf-8"))
    return {**found, OVERVIEW: overview}


def _filled(match: re.Match[str], folder: Path) -> str:
    return match[1] + checks_table(load_monitor(folder / match[2], TYPES)) + match[3]


def checks_table(monitor: Monitor) -> str:
    """Return the table of a monitor's checks."""
    rows = [_row(list(parts)) for _, parts in groupby(_by_check(monitor.parts()), key=lambda part: part.key.check)]
    return _table(("check", "what is said", "bad when", "severity", "of"), rows)


def overview_table() -> str:
    """Return the table of all tasks with monitors, in the order of jobs.yaml."""
    rows: list[tuple[str, ...]] = []
    for profile in load_jobs(JOBS, CHECKOUT).profiles.values():
        for task in profile.tasks:
            for file in task.monitors:
                monitor = load_monitor(CHECKOUT / file, TYPES)
                folder = Path(file).parent.name
                chains = sorted({part.key.chain for part in monitor.parts()} - {0})
                where = ", ".join(CHAINS.get(chain, str(chain)) for chain in chains) or "-"
                on = "" if task.enabled and profile.enabled else "off"
                link = f"[{Path(file).relative_to('protocols')}](../protocols/{folder}/README.md)"
                rows.append((profile.name, task.name, link, str(len(monitor.parts())), where, on))
    return _table(("profile", "task", "monitor", "conditions", "chains", ""), rows)


def _by_check(parts: Iterable[Part]) -> list[Part]:
    seen: dict[str, list[Part]] = {}
    for part in parts:
        seen.setdefault(part.key.check, []).append(part)
    return [part for group in seen.values() for part in group]


def _row(parts: list[Part]) -> tuple[str, ...]:
    first = parts[0]
    subjects = list(dict.fromkeys(part.key.subject for part in parts if part.key.subject))
    more = f" and {len(subjects) - _MOST_ROWS} more" if len(subjects) > _MOST_ROWS else ""
    chains = ", ".join(CHAINS[chain] for chain in dict.fromkeys(part.key.chain for part in parts) if chain in CHAINS)
    of = ", ".join(subjects[:_MOST_ROWS]) + more
    bad = list(dict.fromkeys(bad_when(part) for part in parts if isinstance(part, FormulaPart)))
    severity = list(dict.fromkeys(_severities(part) for part in parts if isinstance(part, FormulaPart)))
    return first.key.check, _about(parts), "; ".join(bad), ", ".join(severity), " on ".join(filter(None, (of, chains)))


def _about(parts: list[Part]) -> str:
    """Return the words of a check without what tells its rows apart."""
    first = parts[0]
    text = first.check.text if isinstance(first, FormulaPart) and first.check.text else first.about
    return re.sub(r"^\{[^{}]*\}: ", "", text.removeprefix(f"{first.key.subject}: ")) if first.key.subject else text


def bad_when(part: FormulaPart) -> str:
    """Say in words when a check fires."""
    policy, formula = part.check.policy, f"`{part.check.formula}`"
    hold = f" for {_hold(policy)}" if policy.hold.runs > 1 or policy.hold.span else ""
    return _bad_when(part.check.verb, policy, formula) + hold


def _bad_when(verb: str, policy: Policy, formula: str) -> str:
    said = {"changed": f"{formula} changes", "flag": formula}.get(verb, "")
    match policy:
        case LimitPolicy():
            bounds = ", ".join(in_words(level.bound) for level in policy.levels)
            said = f"not {formula}" if re.search("[<>]", formula) else f"{formula} {policy.side} {bounds}"
        case DeltaPolicy():
            moves = ", ".join(f"{_MOVES[level.move]} by more than {_step(level.step)}" for level in policy.levels)
            since = f"within {format_duration(policy.window)}" if policy.window else "since the last reading"
            said = f"{formula} {moves} {since}"
        case NeverFallsPolicy():
            said = f"{formula} falls" + (f" by more than {_step(policy.tolerance)}" if policy.tolerance.size else "")
        case DivergePolicy():
            said = f"{formula} differ by more than {_share(policy.levels[0].bound)}"
        case AgePolicy():
            said = f"{formula} is older than " + ", ".join(format_duration(level.max_age) for level in policy.levels)
    return said


def _severities(part: FormulaPart) -> str:
    levels = getattr(part.check.policy, "levels", ())
    return ", ".join(level.severity.name for level in levels) or part.check.policy.severity.name


def _hold(policy: Policy) -> str:
    return f"{policy.hold.runs} runs" if policy.hold.runs > 1 else format_duration(policy.hold.span)


def _step(step: Step) -> str:
    return _share(step.size) if step.relative else in_words(step.size)


def _share(share: Number) -> str:
    return f"{float(share * 100):g}%"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)]) + "\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
