"""Looking at processes from outside: their memory without what is counted twice, and their CPU time."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def pss_mib(pid: int) -> float:
    """Return the memory of a process with what it shares divided among those who share it, 0 if it is gone."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8").splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    return 0.0


def cpu_s(pid: int) -> float:
    """Return the CPU time of a process so far, without its children."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def command_of(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()


def family(root: int) -> list[int]:
    """Return a process and all that descend from it; sessions of their own make no difference."""
    parents: dict[int, int] = {}
    for entry in os.listdir("/proc"):  # noqa: PTH208 - hundreds of names, many times
        if entry.isdecimal():
            with suppress(OSError):
                stat = Path("/proc", entry, "stat").read_text(encoding="utf-8", errors="replace")
                parents[int(entry)] = int(stat.rpartition(")")[2].split()[1])
    found, rest = [root], [root]
    while rest:
        above = rest.pop()
        below = [pid for pid, parent in parents.items() if parent == above]
        found += below
        rest += below
    return [pid for pid in found if pid in parents]


@dataclass
class Peak:
    """The most that was seen of a family of processes."""

    pss_mib: float = 0.0
    processes: int = 0
    load: float = 0.0


@contextmanager
def watching(root: int, every_s: float) -> Iterator[Peak]:
    """Look at a family again and again; a look at hundreds of processes takes a second by itself."""
    peak, over = Peak(), threading.Event()

    def look() -> None:
        while not over.wait(every_s):
            pids = [pid for pid in family(root) if pid != root]
            peak.pss_mib = max(peak.pss_mib, sum(map(pss_mib, pids)))
            peak.processes = max(peak.processes, len(pids))
            peak.load = max(peak.load, os.getloadavg()[0])

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield peak
    finally:
        over.set()
        thread.join()


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@contextmanager
def serving(command: Sequence[str], port: int, environ: Mapping[str, str] | None = None) -> Iterator[int]:
    """Run a server until it is no longer needed; return its process id once it takes connections."""
    with subprocess.Popen(
        command, env=environ, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            _wait_for(port, process)
            yield process.pid
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait_for(port: int, process: subprocess.Popen[bytes], limit_s: float = 60) -> None:
    ends_at = time.monotonic() + limit_s
    while time.monotonic() < ends_at and process.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.005)
    raise RuntimeError(f"a server did not come up within {limit_s:.0f} s: {process.args}")
