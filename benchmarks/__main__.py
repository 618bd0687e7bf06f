"""Measure what this system promises next to what a user would do instead; write a report. `make bench` calls this.

`python -m benchmarks [--quick] [--only CASE …] [--out DIRECTORY]`. Each case is a process of its own with a time limit;
one that fails is reported with its reason, and the others go on. A full run of all cases writes
`benchmarks/reports/DATE.md` and the marked lines of the README; any other one writes to `.cache/bench/`.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from automation.executor import reaper
from benchmarks import report
from benchmarks.cases import CASES
from benchmarks.measuring import CHECKOUT, Result, Size
from benchmarks.processes import family

_MOST_MINUTES = {Size.FULL: 14.5, Size.QUICK: 1.9, Size.SMALLEST: 1.0}


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="measure less: under two minutes")
    parser.add_argument("--smallest", action="store_true", help="only show that each case works")
    parser.add_argument("--only", nargs="+", choices=list(CASES), metavar="CASE", help=f"of: {', '.join(CASES)}")
    parser.add_argument("--out", type=Path, metavar="DIRECTORY", help="where the report is written")
    parser.add_argument("--minutes", type=float, help="the most that all may take, where the machine is busy")
    parser.add_argument("--readme", action="store_true", help="rewrite the lines of the README also from less than all")
    parser.add_argument("--into", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    size = Size.SMALLEST if args.smallest else Size.QUICK if args.quick else Size.FULL
    if args.into:
        args.into.write_text(json.dumps(measured(args.only[0], size).as_json()))
        return 0
    when = report.Circumstances(datetime.now(UTC), 0.0, size, os.getloadavg()[0], report.revision())
    names, began = args.only or list(CASES), time.monotonic()
    results, slower = {}, args.minutes / _MOST_MINUTES[size] if args.minutes else 1.0
    for number, name in enumerate(names, 1):
        # The cases after it keep the time that they would take on a machine that does nothing else.
        left_s = slower * _MOST_MINUTES[size] * 60 - (time.monotonic() - began)
        own_s = left_s - slower * 0.6 * sum(CASES[later].seconds(size) for later in names[number:])
        most_s = min(slower * (2 * CASES[name].seconds(size) + 30), max(own_s, CASES[name].seconds(size)), left_s)
        results[name] = in_process(name, size, most_s)
        print(f"[{number:>2}/{len(names)}] {name:<12}{_outcome(results[name])}", flush=True)
    when = replace(when, took_s=time.monotonic() - began)
    is_whole = size is Size.FULL and not args.only
    folder = args.out or CHECKOUT / ("benchmarks/reports" if is_whole else ".cache/bench")
    path = report.write(results, when, folder)
    if args.readme or (is_whole and not args.out):
        report.into_readme(results, when, CHECKOUT / "README.md")
    print(f"report: {path}")
    return 1 if any(result.failed for result in results.values()) else 0


def measured(name: str, size: Size) -> Result:
    """Measure one case in this process."""
    began, load = time.monotonic(), os.getloadavg()[0]
    result: Result = importlib.import_module(f"benchmarks.cases.{name}").measure(size)
    result.took_s, result.load = time.monotonic() - began, load
    return result


def in_process(name: str, size: Size, limit_s: float) -> Result:
    """Measure one case in a process of its own, which ends with all it started; its failure is a result too."""
    if limit_s <= 1:
        return _failed(name, "not measured: the time of the whole run was over")
    spared, inherited = set(family(os.getpid())), reaper.inherit_orphans()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory:
        into, said = Path(directory) / "result.json", Path(directory) / "said"
        command = [sys.executable, "-m", "benchmarks", "--only", name, "--into", str(into)]
        command += [] if size is Size.FULL else [f"--{size}"]
        with said.open("wb") as output:
            process = subprocess.Popen(
                command, cwd=CHECKOUT, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
                env={**os.environ, "TMPDIR": directory},
            )  # fmt: skip
        try:
            code: int | str = process.wait(limit_s)
        except subprocess.TimeoutExpired:
            code = f"stopped after {limit_s:.0f} s"
        finally:
            _end_all(process, spared)
            reaper.inherit_orphans(inherited)
        if code == 0 and into.exists():
            return Result.from_json(json.loads(into.read_text()))
        last_lines = said.read_text(errors="replace").strip().splitlines()[-12:]
    return _failed(name, "\n".join([f"{name}: {code}", *last_lines]))


def _end_all(process: subprocess.Popen[bytes], spared: Collection[int]) -> None:
    """End a case and whatever it started, also in sessions of their own: an orphan falls to this process."""
    ends_at = time.monotonic() + 5
    process.kill()
    process.wait()
    while (left := set(family(os.getpid())).difference(spared)) and time.monotonic() < ends_at:
        for pid in left:
            with contextlib.suppress(ProcessLookupError, ChildProcessError):
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, os.WNOHANG)


def _failed(name: str, reason: str) -> Result:
    return Result(CASES[name].title, CASES[name].about, failed=reason)


def _outcome(result: Result) -> str:
    if result.failed:
        return f"failed: {result.failed.splitlines()[-1][:100]}"
    missed = [f"{goal.says} ({goal.value:.3g} {goal.unit})" for goal in result.goals if not goal.reached]
    words = f"{result.took_s:5.0f} s  {len(result.goals) - len(missed)} of {len(result.goals)} goals"
    return f"{words}; missed: {'; '.join(missed)}" if missed else words


if __name__ == "__main__":
    sys.exit(main())
