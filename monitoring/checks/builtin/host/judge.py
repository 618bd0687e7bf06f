"""Which of a machine's readings are bad: pure functions from readings and limits to findings."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum

from monitoring.alerts.message.model import Severity
from monitoring.base.kernel_clock import KernelClock
from monitoring.chains.abi.values import Unknown
from monitoring.checks.builtin.host.limits import HostLimits, size
from monitoring.checks.builtin.host.proc import Filesystem, HostReadings, Load, Memory, StateFiles


class SubjectState(Enum):
    """What is known of a subject."""

    FINE = "fine"
    BAD = "bad"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class HostFinding:
    """What is to be said of one subject; `key` names it from run to run, `severity` is None unless it is bad.

    `title` is the reading in words (or why there is none), `bound` how it breaks its limit, `where` the places it is
    about.
    """

    key: str
    state: SubjectState
    title: str
    where: str = ""
    bound: str = ""
    severity: Severity | None = None
    advice: str = ""

    @property
    def headline(self) -> str:
        return self.title + self.bound

    def __str__(self) -> str:
        return f"{self.state.value}: {self.title}{self.bound}{f' ({self.where})' if self.where else ''}"


def judge(readings: HostReadings, limits: HostLimits) -> list[HostFinding]:
    """Return a finding for every subject, fine and unknown ones included.

    A subject that is not there (no swap, inodes made as needed) is fine, so that what was said of it before ends.
    """
    named = (
        *((f"disk {place}", filesystem) for place, filesystem in readings.filesystems.items()),
        ("memory", readings.memory),
        ("clock", readings.clock),
        ("load", readings.load),
        ("state", readings.state),
    )
    return [finding for subject, reading in named for finding in _findings(subject, reading, limits)]


def _findings(
    subject: str, reading: Filesystem | Memory | KernelClock | Load | StateFiles | Unknown, limits: HostLimits
) -> Iterable[HostFinding]:
    match reading:
        case Unknown():
            return [HostFinding(subject, SubjectState.UNKNOWN, f"{subject}: {reading.reason}")]
        case Filesystem():
            return _disk(reading, limits)
        case Memory():
            return _memory(reading, limits)
        case KernelClock():
            return _clock(reading)
        case Load():
            return _load(reading, limits)
        case StateFiles():
            return _state(reading, limits)


def _disk(disk: Filesystem, limits: HostLimits) -> Iterator[HostFinding]:
    place, where = disk.names[0], ", ".join(disk.paths)
    critical = disk.free_bytes < limits.disk_free_critical.of(disk.size_bytes)
    limit = limits.disk_free_critical if critical else limits.disk_free
    yield _finding(
        HostFinding(
            f"disk {place}",
            SubjectState.FINE,
            f"{_part(disk.free_bytes, disk.size_bytes)} of the disk is free",
            where,
        ),
        bound=f", less than {limit}" if disk.free_bytes < limit.of(disk.size_bytes) else None,
        severity=Severity.CRITICAL if critical else Severity.HIGH,
        advice="Free some space: on a full disk neither alerts nor state can be written.",
    )
    few = disk.free_inodes < limits.inodes_free.of(disk.inodes)
    yield _finding(
        HostFinding(
            f"inodes {place}",
            SubjectState.FINE,
            f"{disk.free_inodes:,} of {disk.inodes:,} inodes are free",
            where,
        ),
        bound=f", less than {limits.inodes_free}" if few else None,
        severity=Severity.HIGH,
        advice="Find what creates many small files (df -i): without inodes no new file can be created.",
    )


def _memory(memory: Memory, limits: HostLimits) -> Iterator[HostFinding]:
    short = memory.available_bytes < limits.memory_free.of(memory.total_bytes)
    yield _finding(
        HostFinding(
            "memory",
            SubjectState.FINE,
            f"{_part(memory.available_bytes, memory.total_bytes)} of the memory is available",
        ),
        bound=f", less than {limits.memory_free}" if short else None,
        severity=Severity.HIGH,
        advice="Find the largest process (ps aux --sort -rss): the kernel kills processes when memory runs out.",
    )
    free = f"{_part(memory.free_swap_bytes, memory.swap_bytes)} of the swap is free"
    full = memory.free_swap_bytes < limits.swap_free.of(memory.swap_bytes)
    yield _finding(
        HostFinding("swap", SubjectState.FINE, free if memory.swap_bytes else "this host has no swap"),
        bound=f", less than {limits.swap_free}" if memory.swap_bytes and full else None,
        severity=Severity.MEDIUM,
        advice="Memory has been short for a while: find the largest process (ps aux --sort -rss).",
    )


def _clock(clock: KernelClock) -> Iterator[HostFinding]:
    within = "" if clock.max_error_s is None else f", within {clock.max_error_s:.3g} s"
    good = f"system clock is synchronized (NTP){within}, according to {clock.source}"
    yield _finding(
        HostFinding(
            "clock",
            SubjectState.FINE,
            good if clock.synchronised else f"system clock is not synchronized (NTP), according to {clock.source}",
        ),
        bound=None if clock.synchronised else "",
        severity=Severity.MEDIUM,
        advice="Check timedatectl; with chrony, its configuration needs rtcsync.",
    )


def _load(load: Load, limits: HostLimits) -> Iterator[HostFinding]:
    yield _finding(
        HostFinding(
            "load", SubjectState.FINE, f"load is {load.average:g} on {load.cores} core{'s' * (load.cores > 1)}"
        ),
        bound=f", more than {limits.load:g} per core" if load.average > limits.load * load.cores else None,
        severity=Severity.MEDIUM,
        advice="Checks take longer and may time out: find the busiest process (top).",
    )


def _state(state: StateFiles, limits: HostLimits) -> Iterator[HostFinding]:
    yield _finding(
        HostFinding("database", SubjectState.FINE, f"database is {size(state.database_bytes)}"),
        bound=f", more than {size(limits.database_bytes)}" if state.database_bytes > limits.database_bytes else None,
        severity=Severity.MEDIUM,
        advice="Remove old rows with the command prune.",
    )
    yield _finding(
        HostFinding("wal", SubjectState.FINE, f"write-ahead log of the database is {size(state.wal_bytes)}"),
        bound=f", more than {size(limits.wal_bytes)}" if state.wal_bytes > limits.wal_bytes else None,
        severity=Severity.MEDIUM,
        advice="A process that reads the database for a long time keeps the log from being emptied: find and end it.",
    )


def _finding(fine: HostFinding, *, bound: str | None, severity: Severity, advice: str) -> HostFinding:
    """Return the finding as it is, or as a bad one if it breaks a bound."""
    if bound is None:
        return fine
    return dataclasses.replace(fine, state=SubjectState.BAD, bound=bound, severity=severity, advice=advice)


def _part(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f}% ({size(part)})" if whole else "nothing"
