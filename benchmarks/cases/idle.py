"""What the processes of `up` use while nothing is due."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from benchmarks.cases import CASES
from benchmarks.measuring import CHECKOUT, Goal, Result, Role, Size, Way
from benchmarks.processes import command_of, cpu_s, family, pss_mib
from tests.support.host import Host


def measure(size: Size) -> Result:
    result = Result(CASES["idle"].title, CASES["idle"].about)
    settle_s, look_s = size.pick(8.0, 3.0, 1.0), size.pick(20.0, 2.0, 0.2)
    with tempfile.TemporaryDirectory() as directory:
        host = Host(Path(directory))
        host.profile({"task": ""}, cron="0 0 1 1 *")
        host.environ.pop("PYTHONDONTWRITEBYTECODE")
        commands = {"up": (host.command("up"), Role.OURS)}
        crontab, found = Path(directory) / "crontab", _supercronic()
        crontab.write_text("0 0 1 1 *\ttrue\n")
        if found:
            commands["supercronic"] = ([found, "-quiet", str(crontab)], Role.ALTERNATIVE)
        for name, (command, role) in commands.items():
            with subprocess.Popen(
                command, cwd=host.checkout, env=host.environ, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            ) as process:  # fmt: skip
                time.sleep(settle_s)
                ways = _observed(name, process.pid, role, look_s)
                process.send_signal(signal.SIGTERM)
            result.ways += ways
            if role is Role.OURS:
                result.goals = [
                    Goal("CPU of all processes of `up`, idle", [sum(way.median("CPU ms a second") for way in ways)], 10,
                         unit="ms a second"),
                    Goal("memory of all processes of `up`", [sum(way.median("PSS MiB") for way in ways)], 150,
                         unit="MiB"),
                ]  # fmt: skip
    return result


def _supercronic() -> str | None:
    built = CHECKOUT / ".tools/parts/supercronic"
    return str(built) if built.exists() else shutil.which("supercronic")


def _observed(name: str, root: int, role: Role, look_s: float) -> list[Way]:
    """Return a way for each process of a family that stays."""
    before = {pid: cpu_s(pid) for pid in family(root)}
    time.sleep(look_s)
    ways = []
    for pid, used_s in before.items():
        with suppress(OSError):
            way = Way(f"{name}: `{_short(command_of(pid))}`", role)
            way.add(CPU_ms_a_second=(cpu_s(pid) - used_s) * 1000 / look_s, PSS_MiB=pss_mib(pid))
            ways.append(way)
    return ways


def _short(command: str) -> str:
    words = [Path(word).name if word.startswith("/") else word for word in command.split()]
    return " ".join(words)[:60] or os.fspath("ended")
