"""Many profiles that are due in one minute: peak memory, load, and when all were finished."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.cases import CASES
from benchmarks.measuring import Curve, Goal, Result, Role, Size, Way, python
from benchmarks.processes import watching
from tests.support.host import ROOT, Host
from tools.telegram_stand_in import TelegramStandIn

# A monitor that imports what a chain takes, reads for a moment and finds nothing.
TASK = """
import time
from utils.chain import Chain
from utils.monitor import monitor

@monitor("{name}")
def main(m):
    time.sleep(0.2)

if __name__ == "__main__":
    main()
"""
SEQUENTIAL = "benchmarks/alternatives/sequential_runner.py"
WHY = "each run holds its own interpreter while it waits for a slot; what it imports before is counted here."


def measure(size: Size) -> Result:
    result = Result(CASES["crowd"].title, CASES["crowd"].about)
    count = size.pick(100, 8, 1)
    ours = Way(f"`run` of {count} profiles", Role.OURS)
    plain = Way(f"{count} plain sequential runners", Role.ALTERNATIVE)
    with tempfile.TemporaryDirectory() as directory, TelegramStandIn() as bot:
        host = _host(Path(directory), count, bot.url)
        if size is not Size.SMALLEST:
            host.automation("run", "p0")  # compiles, and makes the database
        runs = [host.command("run", f"p{number}") for number in range(count)]
        ours.add(**_at_once(host, runs, size))
        if size is not Size.SMALLEST:
            runners = [python(str(ROOT / SEQUENTIAL), f"p{number}") for number in range(count)]
            plain.add(**_at_once(host, runners, size))
        result.ways = [ours, plain] if plain.samples else [ours]
        rows = host.rows("SELECT status, count(*) FROM runs GROUP BY status ORDER BY 2 DESC")
        result.notes = ["rows of the ledger: " + ", ".join(f"{number} {status}" for status, number in rows)]
        if size is Size.FULL:
            result.curves = [_growth(host, ours, count)]
    result.goals = [Goal(f"{count} profiles, memory of all processes", ours.samples["peak PSS MiB"], 1536, unit="MiB",
                         why=WHY)]  # fmt: skip
    if plain.samples:
        less = ours.median("peak PSS MiB") / plain.median("peak PSS MiB")
        result.headline = (
            f"**{less:.1f} × the memory of plain runners**, {ours.median('peak PSS MiB'):,.0f} MiB at the peak, when"
            f" {count} profiles of three tasks are due in one minute; all done after {ours.median('all done s'):.0f} s."
        )
    return result


def _host(directory: Path, count: int, url: str) -> Host:
    host = Host(directory)
    host.environ.pop("PYTHONDONTWRITEBYTECODE")
    host.environ |= {
        "TELEGRAM_API_URL": url, "TELEGRAM_BOT_TOKEN_DEFAULT": "1:benchmark", "TELEGRAM_CHAT_ID_DEFAULT": "1",
        "PYTHONPATH": str(host.checkout),
    }  # fmt: skip
    scripts = [host.script(f"task{number}", TASK.format(name=f"bench-{number}")) for number in range(3)]
    tasks = ", ".join(f"{{name: t{number}, script: {script}}}" for number, script in enumerate(scripts))
    host.jobs("profiles:\n" + "".join(f"  p{n}: {{cron: '0 * * * *', tasks: [{tasks}]}}\n" for n in range(count)))
    return host


def _at_once(host: Host, commands: Sequence[Sequence[str]], size: Size) -> dict[str, float]:
    """Start all in one instant, as a scheduler does at a minute; return what was seen until the last has ended."""
    environ = {**host.environ, "AUTOMATION_TRIGGER": "cron"}
    with watching(os.getpid(), size.pick(1.0, 0.3, 0.1)) as peak:
        began = time.monotonic()
        children = [
            subprocess.Popen(command, cwd=host.checkout, env=environ, stdin=subprocess.DEVNULL,
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
            for command in commands
        ]  # fmt: skip
        used, last_s = 0.0, 0.0
        for child in children:
            usage = os.wait4(child.pid, 0)[2]
            child.returncode = 0
            used += usage.ru_utime + usage.ru_stime
        last_s = time.monotonic() - began
    return {
        "peak PSS MiB": peak.pss_mib, "processes": peak.processes, "load": peak.load, "all done s": last_s,
        "CPU s": used,
    }  # fmt: skip


def _growth(host: Host, ours: Way, count: int) -> Curve:
    series = {"peak PSS MiB": list[tuple[float, float]](), "all done s": list[tuple[float, float]]()}
    for number in (5, 25):
        seen = _at_once(host, [host.command("run", f"p{n}") for n in range(number)], Size.FULL)
        for name, points in series.items():
            points.append((number, seen[name]))
    for name, points in series.items():
        points.append((count, ours.median(name)))
    return Curve("Profiles due in one minute", "profiles", "MiB, or s", series)
