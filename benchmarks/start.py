"""From the start of a run to the first line of its task, and the cost of looking: beside a plain sequential runner.

Run from the checkout: `.venv/bin/python -m benchmarks.start [--rounds 9]`. The task writes the time of its first line.
With `--against DIR`, a checkout of another commit, its figures come from the same rounds (benchmarks/start.md).
The plain runner is what one would write first: read jobs.yaml, start one interpreter a task, wait, record nothing.
All ways run in each round; wall time and CPU of the whole process tree are medians.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.host import ROOT, Host

TASK = "import os, time\nopen(os.environ['FIRST_LINE'], 'w').write(str(time.time()))\n"
PLAIN = """
import subprocess, sys, yaml
for profile in yaml.safe_load(open("automation/jobs.yaml"))["profiles"].values():
    for task in profile["tasks"]:
        subprocess.run([sys.executable, task["script"]], check=False)
"""


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds of one process: until it ended, of CPU with its children, and until the first line of its task."""

    wall: float
    cpu: float
    first_line: float | None


def measure(command: Sequence[str], cwd: Path, environ: Mapping[str, str], mark: Path) -> Cost:
    mark.unlink(missing_ok=True)
    before, began_at, began = _cpu(), time.time(), time.perf_counter()
    subprocess.run(command, cwd=cwd, env=environ, capture_output=True, check=True)
    wall = time.perf_counter() - began
    first = float(mark.read_text()) - began_at if mark.exists() else None
    return Cost(wall, _cpu() - before, first)


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def ways_of(source: Path, directory: Path, label: str) -> dict[str, tuple[Sequence[str], Host, Path]]:
    """Return what is measured of a checkout: the command, its host, and where its task notes its first line."""
    host, mark = Host(directory, source), directory / "first-line"
    host.profile({"task": TASK})
    commands = {
        "list": host.command("list"),
        "status": host.command("status"),
        "run, one task": host.command("run", "hourly"),
        "plain sequential runner, one task": [sys.executable, "-c", PLAIN],
    }
    return {f"{label}{name}": (command, host, mark) for name, command in commands.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--against", type=Path, metavar="DIR", help="a checkout of another commit, measured as well")
    args = parser.parse_args()
    rounds: int = args.rounds
    with tempfile.TemporaryDirectory() as directory:
        (Path(directory) / "here").mkdir()
        (Path(directory) / "there").mkdir()
        ways = ways_of(ROOT, Path(directory) / "here", "")
        if args.against:
            ways |= ways_of(args.against, Path(directory) / "there", "against: ")
        costs = [{name: _measured(*way) for name, way in ways.items()} for _ in range(rounds + 1)]
    print(f"medians of {rounds}, after one that compiles; {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    print(f"{'':<46}{'wall ms':>9}{'CPU ms':>9}{'first line ms':>15}")
    for name in ways:
        print(_row(name, [each[name] for each in costs[1:]]))


def _measured(command: Sequence[str], host: Host, mark: Path) -> Cost:
    environ = {**host.environ, "FIRST_LINE": str(mark)}
    environ.pop("PYTHONDONTWRITEBYTECODE")  # as on a host: compiled once
    return measure(command, host.checkout, environ, mark)


def _row(name: str, costs: Sequence[Cost]) -> str:
    wall, cpu = (statistics.median(values) * 1000 for values in zip(*((c.wall, c.cpu) for c in costs), strict=True))
    first = [cost.first_line for cost in costs if cost.first_line is not None]
    return f"{name:<46}{wall:9.0f}{cpu:9.0f}" + (f"{statistics.median(first) * 1000:15.0f}" if first else "")


if __name__ == "__main__":
    main()
