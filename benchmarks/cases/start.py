"""Whole processes: `list`, `status`, and a run until the first line of its task."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from benchmarks.cases import CASES
from benchmarks.measuring import Curve, Goal, Result, Role, Size, Way, in_turns, python, ratios, running
from tests.support.host import ROOT, Host

TASK = "import os, time\nopen(os.environ['FIRST_LINE'], 'w').write(str(time.time()))\n"
BARE_READER = "benchmarks/alternatives/bare_reader.py"
SEQUENTIAL = "benchmarks/alternatives/sequential_runner.py"
WHY_LIST = (
    "what the standard library itself needs for logging, paths and data classes costs as much as all the bare reader"
    " does; of the rest, 15 ms is loading our modules and 6 ms reading, validating and printing. docs/performance.md"
    " has the parts. Plain tuples in place of frozen classes would save 3 ms, and be harder to read."
)
WHY_LINE = (
    "an interpreter that loads argparse, PyYAML and SQLite and starts a second one that does nothing is at 6 × already."
    " A run also validates its profile, takes its lock, writes its row and is ready to end whatever a task leaves"
    " behind; docs/performance.md has the parts. Only a process that stays would be faster, and it would run old code"
    " after a sync."
)


def measure(size: Size) -> Result:
    case, result = CASES["start"], Result(CASES["start"].title, CASES["start"].about)
    with tempfile.TemporaryDirectory() as directory:
        one, shipped = _host(Path(directory) / "one", {"task": TASK}), _host(Path(directory) / "shipped")
        mark = Path(directory) / "first-line"
        ways = {
            "list": (Way("`list`, the shipped file", Role.OURS), shipped, shipped.command("list")),
            "bare": (
                Way("a bare reader of the same file", Role.LIMIT), shipped, python(str(ROOT / BARE_READER)),
            ),
            "run": (Way("`run`, one task, whole", Role.OURS), one, one.command("run", "hourly")),
            "plain": (Way("`python script.py`", Role.LIMIT), one, python("protocols/test/task.py")),
            "runner": (
                Way("a plain sequential runner, one task", Role.ALTERNATIVE), one, python(str(ROOT / SEQUENTIAL)),
            ),
            "status": (Way("`status`", Role.OURS), one, one.command("status")),
            "pass": (Way("`python -c pass`", Role.LIMIT), one, python("-c", "pass")),
        }  # fmt: skip
        acts = [(way, partial(act_of, host, command, mark)) for way, host, command in ways.values()]
        in_turns(acts, size.pick(15, 3, 1), case.seconds(size), warm=size.pick(1, 1, 0))
        found = {name: way for name, (way, _, _) in ways.items()}
        result.ways = list(found.values())
        result.goals = [
            Goal("`list` with validation, of the bare reader, CPU", ratios(found["list"], found["bare"], "CPU ms"), 1.5,
                 why=WHY_LIST),
            Goal("first line of a task, of `python script.py`",
                 ratios(found["run"], found["plain"], "first line ms"), 4, why=WHY_LINE),
        ]  # fmt: skip
        if size is not Size.SMALLEST:
            result.curves = [_profiles(shipped, size)]
    return result


def _host(directory: Path, scripts: Mapping[str, str] | None = None) -> Host:
    directory.mkdir()
    host = Host(directory)
    host.environ.pop("PYTHONDONTWRITEBYTECODE")  # as on a host: compiled once
    if scripts:
        host.profile(scripts)
    return host


def act_of(host: Host, command: Sequence[str], mark: Path) -> dict[str, float]:
    mark.unlink(missing_ok=True)
    began = time.time()
    values = running(command, cwd=host.checkout, env={**host.environ, "FIRST_LINE": str(mark)})()
    return {**values, **({"first_line_ms": (float(mark.read_text()) - began) * 1000} if mark.exists() else {})}


def _profiles(host: Host, size: Size) -> Curve:
    """`list` and the bare reader over files of more and more profiles."""
    file, series = host.checkout / "automation" / "jobs.yaml", dict[str, list[tuple[float, float]]]()
    shutil.rmtree(host.checkout / "automation" / "jobs.d", ignore_errors=True)
    host.script("empty", "")
    commands: dict[str, Callable[[], dict[str, float]]] = {
        "list": running(host.command("list"), cwd=host.checkout, env=host.environ),
        "bare reader": running(python(str(ROOT / BARE_READER)), cwd=host.checkout, env=host.environ),
    }
    for count in size.pick((1, 10, 100, 1000), (1, 100), (1,)):
        file.write_text("profiles:\n" + "".join(
            f"  p{n}: {{cron: '{n % 60} * * * *', tasks: [{{name: t, script: protocols/test/empty.py}}]}}\n"
            for n in range(count)
        ))  # fmt: skip
        for name, act in commands.items():
            least = min(act()["CPU_ms"] for _ in range(size.pick(3, 1, 1)))
            series.setdefault(name, []).append((count, least))
    return Curve("`list` with more profiles", "profiles", "CPU ms", series)
