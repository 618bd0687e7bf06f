"""The report of one run: a table a case, its goals, its curves as SVG files; and its lines in the README."""

from __future__ import annotations

import os
import platform
import re
import statistics
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

import apsw

from benchmarks.charts import draw
from benchmarks.measuring import CHECKOUT, Goal, Result, Way

# What the README shows, ratio first: what an operator meets most.
HEADLINES = ("tasks", "requests", "alerts", "audit", "crowd")
_MARKED = re.compile(r"(<!-- benchmarks: [^>]* -->\n).*?(<!-- end of benchmarks -->)", re.DOTALL)


@dataclass(frozen=True)
class Circumstances:
    """When and on what it was measured."""

    at: datetime
    took_s: float
    size: str
    load_before: float
    revision: str  # before the report itself changes the checkout

    def lines(self) -> list[str]:
        """Return what a reader needs to judge the figures."""
        loads = f"load before {self.load_before:.1f}, after {os.getloadavg()[0]:.1f}"
        return [
            (
                f"Measured {self.at:%Y-%m-%d %H:%M} UTC in {self.took_s / 60:.0f} minutes (size: {self.size}) at commit"
                f" {self.revision}; {os.cpu_count()} cores, {_memory_gib():.0f} GiB, {_processor()}; {loads}."
            ),
            (
                f"Linux {platform.release()}, Python {platform.python_version()}, SQLite {apsw.sqlite_lib_version()},"
                f" web3 {version('web3')}, uvicorn {version('uvicorn')}; client of HTTP: {_client()}."
            ),
        ]


def write(results: Mapping[str, Result], when: Circumstances, folder: Path) -> Path:
    """Write the report and its charts into `folder` and point `latest.md` at it; return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{when.at:%Y-%m-%d}"
    for old in folder.glob(f"{name}-*.svg"):
        old.unlink()
    charts = {key: _charts(key, result, folder, name) for key, result in results.items()}
    path = folder / f"{name}.md"
    path.write_text(render(results, when, charts), encoding="utf-8")
    (folder / "latest.md").write_text(f"The newest report is [{name}.md]({name}.md).\n", encoding="utf-8")
    return path


def _charts(key: str, result: Result, folder: Path, name: str) -> list[str]:
    files = []
    for number, curve in enumerate(result.curves, 1):
        file = folder / f"{name}-{key}-{number}.svg"
        file.write_text(draw(curve), encoding="utf-8")
        files.append(file.name)
    return files


def render(results: Mapping[str, Result], when: Circumstances, charts: Mapping[str, list[str]]) -> str:
    goals = [goal for result in results.values() for goal in result.goals]
    broken = [result for result in results.values() if result.failed]
    reached = sum(goal.reached for goal in goals)
    lines = [
        f"# Benchmarks, {when.at:%Y-%m-%d}", "",
        ("By `make bench`; [performance.md](../../docs/performance.md) explains each figure. A cell is the median of"
        " the rounds, in brackets the middle half of them. Ways take turns in every round; a ratio is the median of the"
        " ratios of the rounds."), "", *when.lines(), "",
        f"**{reached} of {len(goals)} goals reached**, {len(broken)} of {len(results)} cases failed.", "",
        "| goal | measured | |", "|---|---|---|",
    ]  # fmt: skip
    lines += [f"| {_goal_text(goal)} | {_number(goal.value)} {goal.unit} | {_mark(goal)} |" for goal in goals]
    lines += [f"| {result.title} | – | failed |" for result in broken]
    for key, result in results.items():
        lines += ["", *_case(result, charts.get(key, []))]
    return "\n".join(lines) + "\n"


def _goal_text(goal: Goal) -> str:
    return f"{goal.says}: {'≥' if goal.at_least else '≤'} {_number(goal.bound)} {goal.unit}"


def _mark(goal: Goal) -> str:
    return "reached" if goal.reached else "**missed**"


def _case(result: Result, charts: list[str]) -> list[str]:
    lines = [f"## {result.title}", "", result.about, ""]
    if result.failed:
        return [*lines, "**Failed:**", "", "```text", result.failed.strip(), "```"]
    lines += [*_table(result.ways), ""] if result.ways else []
    for goal in result.goals:
        lines.append(f"- {_mark(goal)}: {_goal_text(goal)}, measured {_cell(goal.values)} {goal.unit}")
        lines += [f"  Why: {goal.why}"] if goal.why and not goal.reached else []
    lines += [f"- {note}" for note in result.notes]
    for curve, file in zip(result.curves, charts, strict=True):
        lines += ["", f"![{curve.title}]({file})", ""]
        lines += [f"- {name}: {curve.growth(name)}" for name in curve.series]
        lines += [f"- {curve.why}"] if curve.why else []
    return [*lines, "", f"_{result.took_s:.0f} s, load {result.load:.1f}._"]


def _table(ways: list[Way]) -> list[str]:
    columns = list(dict.fromkeys(name for way in ways for name in way.samples))
    rows = [
        f"| {way.name} | {way.role} | " + " | ".join(_cell(way.samples.get(name, [])) for name in columns) + " |"
        for way in ways
    ]
    return [f"| way | | {' | '.join(columns)} |", "|---|---" + "|---:" * len(columns) + "|", *rows]


def _cell(values: list[float]) -> str:
    if not values:
        return "–"
    if len(values) < 3 or max(values) == min(values):
        return _number(statistics.median(values))
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return f"{_number(middle)} ({_number(low)}–{_number(high)})"


def _number(value: float) -> str:
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def into_readme(results: Mapping[str, Result], when: Circumstances, readme: Path) -> None:
    """Rewrite the marked lines of the README from a report."""
    lines = [f"- {results[key].headline}" for key in HEADLINES if key in results and results[key].headline]
    goals = [goal for result in results.values() for goal in result.goals]
    closing = (
        f"Measured {when.at:%Y-%m-%d} (size: {when.size}) on {os.cpu_count()} cores, load {when.load_before:.1f}: "
        f"{sum(goal.reached for goal in goals)} of {len(goals)} goals reached.\nThe"
        " [report](benchmarks/reports/latest.md) has the rest, [docs/performance.md](docs/performance.md) says what it"
        " means."
    )
    text = "\n".join([*lines, "", closing])
    readme.write_text(
        _MARKED.sub(lambda found: f"{found[1]}{text}\n{found[2]}", readme.read_text(encoding="utf-8")), encoding="utf-8"
    )


def revision() -> str:
    """Return the commit that is measured, and whether the checkout differs from it."""
    said = subprocess.run(
        ["git", "-c", "safe.directory=*", "describe", "--always", "--dirty"],
        cwd=CHECKOUT, capture_output=True, text=True, check=False,
    ).stdout  # fmt: skip
    return said.strip() or "unknown"


def _memory_gib() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


def _processor() -> str:
    found = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    return found[1] if found else platform.machine()


def _client() -> str:
    from benchmarks.load import client  # noqa: PLC0415 - what loads a server is of no use to who renders alone

    return client()
