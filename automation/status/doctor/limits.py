"""What the unit may use: open files and memory, and whether it ran out of memory."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from automation.schedule.scheduler_liveness import UNIT, ask_systemd
from automation.status.doctor import DoctorContext, Examination, Finding, FindingLevel, Problem
from monitoring.base.process_identity import PROC

_LEAST_FILES = 512  # a run of four tasks with their pipes, sockets and databases
_LEAST_MEMORY = 300 * 1024**2
_CGROUPS = Path("/sys/fs/cgroup")
_OPEN_FILES = re.compile(r"^Max open files\s+(\d+)", re.MULTILINE)
_KILLED = re.compile(r"^oom_kill (\d+)", re.MULTILINE)

FILES = Problem(
    "limit-files",
    "limits",
    "`too few file descriptors`, `Too many open files`",
    "the scheduler may open few files at a time (LimitNOFILE, ulimit -n)",
    "runs fail when several tasks and alerts need files at once",
    "systemctl edit monitoring: [Service] LimitNOFILE=4096, then: sudo systemctl restart monitoring",
    FindingLevel.WARN,
)
MEMORY = Problem(
    "limit-memory",
    "limits",
    "tasks end with signal 9",
    "the unit may use little memory (MemoryMax)",
    "the kernel kills the tasks that need more",
    "systemctl edit monitoring: [Service] MemoryMax=80%, then: sudo systemctl restart monitoring",
    FindingLevel.WARN,
)
KILLED = Problem(
    "out-of-memory",
    "limits",
    "tasks end with signal 9, `not enough memory`",
    "the kernel killed processes of the unit for lack of memory since its start",
    "those tasks checked nothing",
    "journalctl -k --grep 'Out of memory|oom-kill' -n 20; give the host more memory, or the profile `parallel: 1`",
    FindingLevel.WARN,
)


def open_files(context: DoctorContext) -> Iterator[Finding]:
    if context.held is None:
        return
    limits = (PROC / str(context.held.process.pid) / "limits").read_text(encoding="ascii")
    found = _OPEN_FILES.search(limits)
    if found is not None and int(found[1]) < _LEAST_FILES:
        yield FILES.found(f"the scheduler may open {found[1]} files at a time, less than {_LEAST_FILES}")


def memory(_context: DoctorContext) -> Iterator[Finding]:
    allowed = ask_systemd("show", "--property=MemoryMax", "--value", UNIT) or ""
    if allowed.isdecimal() and int(allowed) < _LEAST_MEMORY:
        yield MEMORY.found(f"the unit may use {int(allowed) // 1024**2} MiB, less than {_LEAST_MEMORY // 1024**2}")
    group = (ask_systemd("show", "--property=ControlGroup", "--value", UNIT) or "").lstrip("/")
    events = _CGROUPS / group / "memory.events"
    killed = _KILLED.search(events.read_text(encoding="ascii")) if group and events.exists() else None
    if killed is not None and int(killed[1]):
        yield KILLED.found(f"the kernel killed {killed[1]} processes of the unit for lack of memory since its start")


EXAMINATIONS: tuple[Examination, ...] = (open_files, memory)
