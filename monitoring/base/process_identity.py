"""Which process is meant, safe against reused pids: for locks, run rows and checks whether a process lives.

A pid alone names nobody for long; with its start time and the boot it names one process for good.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

PROC = Path("/proc")
_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
# Fields of /proc/<pid>/stat after the command in parentheses: proc_pid_stat(5) counts the state as 3, the start as 22.
_STATE, _START = 3 - 3, 22 - 3
# A zombie has let go of its descriptors and locks: it runs nothing any more.
_ENDED = frozenset("ZXx")
# An interpreter that loads for longer is none: a shell that lived for hours became this process by `exec`.
_LONGEST_LOAD_S = 600.0


@dataclass(frozen=True, slots=True)
class ProcessId:
    """One process of one boot; `start_ticks` are clock ticks after boot."""

    pid: int
    start_ticks: int
    boot_id: str

    def __str__(self) -> str:
        return f"{self.pid}:{self.start_ticks}:{self.boot_id}"

    @classmethod
    def parse(cls, text: str) -> ProcessId:
        """Read what `str()` wrote.

        Raises:
            ValueError: the text is no process id.
        """
        pid, start_ticks, boot_id = text.split(":")
        return cls(int(pid), int(start_ticks), boot_id)


@dataclass(frozen=True, slots=True)
class Boot:
    """One life of a host. `at` is when it came up by the wall clock of the observer: a step moves it."""

    id: str
    at: datetime


def current_boot() -> Boot:
    """Name this life of this host."""
    return Boot(_boot_id(), booted_at())


def boot_of(process: ProcessId, started_at: datetime) -> Boot:
    """Return the boot a process belongs to, by the wall clock that showed `started_at` when it started."""
    return Boot(process.boot_id, started_at - timedelta(seconds=process.start_ticks / os.sysconf("SC_CLK_TCK")))


def boot_of_text(process: str, started_at: datetime) -> Boot | None:
    """Return the boot of the process that a run's row names; None of a text that names none."""
    try:
        return boot_of(ProcessId.parse(process), started_at)
    except ValueError:
        return None


def current_process() -> ProcessId:
    """Name this process."""
    found = find_process(os.getpid())
    if found is None:
        raise ProcessLookupError(f"{PROC}/self/stat cannot be read: is /proc mounted?")
    return found


def find_process(pid: int, proc: Path = PROC) -> ProcessId | None:
    """Name the live process that has this pid now, if it can be seen."""
    fields = _stat_fields(pid, proc)
    if fields is None or fields[_STATE] in _ENDED:
        return None
    return ProcessId(pid, int(fields[_START]), _boot_id())


def is_alive(process: ProcessId, proc: Path = PROC) -> bool:
    """Return whether exactly this process still runs.

    Where /proc hides other users' processes (`hidepid`, `ProtectProc=invisible`), a pid that exists
    and cannot be looked at counts as alive: calling a live run dead is the worse mistake.
    """
    if process.boot_id != _boot_id():
        return False
    fields = _stat_fields(process.pid, proc)
    if fields is None:
        return _exists_hidden(process.pid)
    return fields[_STATE] not in _ENDED and int(fields[_START]) == process.start_ticks


def _stat_fields(pid: int, proc: Path) -> list[str] | None:
    try:
        text = (proc / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The command may hold spaces and parentheses: what counts begins after the last one.
    return text.rpartition(")")[2].split()


def _exists_hidden(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (OSError, OverflowError):
        return False
    return False


def _boot_id() -> str:
    return (PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def is_alive_text(text: str) -> bool:
    """Return whether the process that a run's row names still runs; a text that names none does not."""
    try:
        return is_alive(ProcessId.parse(text))
    except ValueError:
        return False


def booted_at() -> datetime:
    """Return when this host came up, by the wall clock of now: a step of the clock moves it."""
    return datetime.now(UTC) - timedelta(seconds=time.clock_gettime(time.CLOCK_BOOTTIME))


def started_at(now: datetime) -> datetime:
    """Return when this process started, by the kernel and the wall clock of `now`; without /proc it is `now`.

    Loading our modules takes seconds on a busy host: a clock read after that is late.
    """
    try:
        start_s = current_process().start_ticks / os.sysconf("SC_CLK_TCK")
    except OSError:
        return now
    age_s = time.clock_gettime(time.CLOCK_BOOTTIME) - start_s
    return now - timedelta(seconds=age_s) if 0 <= age_s <= _LONGEST_LOAD_S else now


@dataclass(frozen=True, slots=True)
class Host:
    """The host as a process sees it: who it is itself, since when the host is up, which run's process still lives.

    A simulated host hands in its own.
    """

    process: Callable[[], ProcessId] = current_process
    boot: Callable[[], Boot] = current_boot
    is_alive: Callable[[str], bool] = is_alive_text


THIS_HOST = Host()


def end_with_parent(parent: str) -> bool:
    """Let the kernel end this process when its parent dies; False if the parent is not the process of that pid."""
    import ctypes  # noqa: PLC0415 - children of `up` alone need it

    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGTERM), 0, 0, 0)
    return str(os.getppid()) == parent
