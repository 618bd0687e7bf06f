"""Puts small faults into the shipped monitor files, one at a time, and says which of them no drill notices.

    python -m tools.monitor_mutants [FILE …]

A fault is refused by the loader, noticed by a drill (`python -m automation test FILE` would fail), or it survives.
Texts, names and addresses of contracts are left alone: a drill knows a contract by its name alone.
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

from monitoring.base.errors import MonitoringError
from monitoring.checks.drill.file import load_drilled
from monitoring.checks.drill.rehearse import rehearse
from tests.support.drills import PROTOCOLS, drilled_files

_SKIPPED = re.compile(
    r"""#.*|\b(?:text|id|monitor|channel|runbook|note|symbol|name|label|pair|size):\s*(?:"[^"]*"|[^,}\n]*)|0x[0-9a-fA-F]+|\w+\(\)?\([^)]*\)\([^)]*\)""",
)
_NUMBER = re.compile(r"(?<![\w.])(\d[\d_]*(?:\.\d+)?)(e\d+)?(%|[smhd]\b)?(?![\w.])")
_COMPARISONS = {">=": ">", "<=": "<", ">": ">=", "<": "<=", "==": "!=", "!=": "=="}
_ARITHMETIC = {"+": "-", "-": "+", "*": "/", "/": "*"}
_WORDS = {
    "comparison": [
        (r"\bbelow:", "above:"), (r"\babove:", "below:"), (r"\bmax_rise:", "max_drop:"), (r"\bmax_drop:", "max_rise:"),
        (r"\bmax_change:", "max_rise:"), (r"\bmax_change:", "max_drop:"), (r"\ba_over_b\b", "b_over_a"),
        (r"\bmax\(", "min("), (r"\bmin\(", "max("), (r"\babs\(", "("),
    ],
    "severity": [
        (r"\blow\b", "medium"), (r"\bmedium\b", "high"), (r"\bhigh\b", "critical"), (r"\bcritical\b", "high"),
    ],
    "path": [
        (r"\[-1\]", "[0]"), (r"(?<=\w)\.(\w+)(?=\n\s+(?:scale|time|max_age|ok|number|url|\w+:\n)|\n\w)", ""),
        (r"(url: \S+)", r"\1x"), (r"\?\S+=\S+", ""), (r"(Mozilla)", r"\1x"), (r"(?<=\{ )(\w+)(?= \})", r"\1x"),
        (r"(number: \S+)", r"\1x"), (r"(time: \S+)", r"\1x"),
    ],
    "left out": [
        (r"\n +ok: .*", ""), (r"\n +scale: .*", ""), (r"\n +max_age: .*", ""), (r", for: 2 runs", ""),
        (r", at_once: [^,}\n]*", ""),
        (r"\n +clear_(?:below|above): .*", ""), (r",? worse_by: [\w_.%]+|\n +worse_by: .*", ""),
        (r", rebase: hold", ""), (r"\n +direction: .*", ""), (r",? baseline_max_age: \w+", ""),
        (r"(?<=\[)\{(?:below|above): [^}]*\}, ?", ""),
    ],
    "unit in words": [(r"\bunit: \w+", "unit: pts")],
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault in a file: of which kind, the line before and after, and the whole text with it."""

    kind: str
    line: int
    before: str
    after: str
    text: str


@dataclass
class Score:
    """What became of the faults of one or more files, by kind."""

    refused: Counter[str] = field(default_factory=Counter)
    noticed: Counter[str] = field(default_factory=Counter)
    survivors: list[tuple[str, Fault]] = field(default_factory=list)


def faults_of(text: str) -> list[Fault]:
    """Return the faults that can be put into a file, each once, in the order of the file."""
    found: dict[str, Fault] = {}
    skipped = [match.span() for match in _SKIPPED.finditer(text)]
    for kind, start, end, new in sorted(_changes(text), key=lambda change: change[1]):
        if any(start < stop and end > first for first, stop in skipped):
            continue
        changed = text[:start] + new + text[end:]
        if changed != text and changed not in found:
            line = text.count("\n", 0, start) + (text[start] == "\n")
            before, after = (
                one.split("\n")[line].strip() if one.count("\n") >= line else "" for one in (text, changed)
            )
            found[changed] = Fault(kind, line + 1, before, after, changed)
    return list(found.values())


def _changes(text: str) -> Iterator[tuple[str, int, int, str]]:
    """Yield kind, start, end and the new text of each place that can be changed."""
    for match in re.finditer(r"(?<= )(>=|<=|==|!=|[<>])(?= )", text):
        yield "comparison", *match.span(), _COMPARISONS[match[1]]
    for match in re.finditer(r"(?<=[\w)\]] )([-+*/])(?= [\w(])", text):
        yield "formula", *match.span(), _ARITHMETIC[match[1]]
    for match in _NUMBER.finditer(text):
        kind, others = _other_numbers(text, match)
        yield from ((kind, *match.span(), other) for other in others)
    for kind, words in _WORDS.items():
        for pattern, new in words:
            for match in re.finditer(pattern, text):
                yield kind, *match.span(), match.expand(new)


def _other_numbers(text: str, match: re.Match[str]) -> tuple[str, list[str]]:
    """Return of which kind a number is, and what it could be in its place by mistake."""
    digits, exponent, ending = match[1], match[2] or "", match[3] or ""
    before, number = text[: match.start()], Decimal(digits.replace("_", ""))
    kind, others = "bound", [number * Decimal("1.01"), number * Decimal("0.99")] if number else [Decimal(1)]
    if exponent and number == 1:
        return "scale", [f"{digits}e{int(exponent[1:]) + step}" for step in (1, -1)]
    if before.endswith(("[", "[-")):
        kind, others = "path", [number + 1]
    elif before.endswith("decimals: "):
        kind, others = "scale", [number + 2, number - 2]
    elif ending in ("s", "m", "h", "d"):
        kind, others = "time", [number * 2, number // 2]
    elif text[match.end() :].startswith(" run"):
        kind, others = "time", [number + 1]
    return kind, [f"{other.normalize():f}{exponent}{ending}" for other in others]


def try_file(path: Path) -> Score:
    """Try the faults of one monitor, and of the data files of its rows.

    Raises:
        RuntimeError: its drill fails without a fault.
    """
    score = Score()
    with TemporaryDirectory(prefix="monitor-mutants-") as place:
        folder = Path(place) / path.parent.name
        shutil.copytree(path.parent, folder)
        copy = folder / path.name
        if _fate(copy) != "survives":
            raise RuntimeError(f"{path}: its drill fails without a fault")
        text = copy.read_text(encoding="utf-8")
        for file in [copy, *(folder / name for name in re.findall(r"\{from: ([\w.]+)\}", text))]:
            whole = file.read_text(encoding="utf-8")
            for fault in faults_of(whole):
                file.write_text(fault.text, encoding="utf-8")
                _count(score, str(path.relative_to(PROTOCOLS).with_name(file.name)), fault, _fate(copy))
            file.write_text(whole, encoding="utf-8")
    return score


def _fate(path: Path) -> str:
    try:
        drilled = load_drilled(path)
    except MonitoringError:
        return "refused"
    try:
        return "noticed" if any(result.problems for result in rehearse(drilled)) else "survives"
    except (MonitoringError, ValueError, LookupError):
        return "noticed"  # the drill speaks of what the file does not ask any more


def _count(score: Score, file: str, fault: Fault, fate: str) -> None:
    if fate == "survives":
        score.survivors.append((file, fault))
    else:
        (score.refused if fate == "refused" else score.noticed)[fault.kind] += 1


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.monitor_mutants", description=__doc__.partition("\n")[0])
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="a monitor.yaml (default: all that ship)")
    asked = parser.parse_args(arguments)
    whole = Score()
    for path in [file.resolve() for file in asked.files] or drilled_files():
        score = try_file(path)
        whole.refused += score.refused
        whole.noticed += score.noticed
        whole.survivors += score.survivors
        for file, fault in score.survivors:
            print(f"{file}:{fault.line}: {fault.kind}: {fault.before} => {fault.after}", flush=True)
    survived = Counter(fault.kind for _, fault in whole.survivors)
    print("\n| kind | faults | refused | noticed | survive |\n|---|---|---|---|---|")
    for kind in sorted({*whole.refused, *whole.noticed, *survived}):
        refused, noticed, alive = whole.refused[kind], whole.noticed[kind], survived[kind]
        print(f"| {kind} | {refused + noticed + alive} | {refused} | {noticed} | {alive} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
