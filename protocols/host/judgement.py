"""Which of a machine's readings are bad: pure functions from readings and limits to findings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum

from protocols.host.limits import Limits, size
from protocols.host.readings import Filesystem, KernelClock, Load, Memory, Readings, StateFiles, Unknown


class State(Enum):
    """What is known of a subject."""

    FINE = "fine"
    BAD = "bad"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Finding:
    """What is to be said of one subject; `key` names it from run to run, `severity` is empty unless it is bad."""

    key: str
    state: State
    title: str
    severity: str = ""
    advice: str = ""

    @property
    def headline(self) -> str:
        return self.title[:1].upper() + self.title[1:]

    def __str__(self) -> str:
        return f"{self.state.value}: {self.title}"


def judge(readings: Readings, limits: Limits) -> list[Finding]:
    """Return a finding for every subject, fine and unknown ones included.

    A subject that is not there (no swap, inodes made as needed) is fine, so that what was said of it before ends.
    """
    named = (
        *(("disk", filesystem) for filesystem in readings.filesystems),
        ("memory", readings.memory),
        ("clock", readings.clock),
        ("load", readings.load),
        ("state", readings.state),
    )
    return [finding for subject, reading in named for finding in _findings(subject, reading, limits)]


def _findings(
    subject: str, reading: Filesystem | Memory | KernelClock | Load | StateFiles | Unknown, limits: Limits
) -> Iterable[Finding]:
    match reading:
        case Unknown():
            return [Finding(subject, State.UNKNOWN, f"{subject}: {reading.reason}")]
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


def _disk(disk: Filesystem, limits: Limits) -> Iterator[Finding]:
    where = ", ".join(disk.paths)
    critical = disk.free_bytes < limits.disk_free_critical.of(disk.size_bytes)
    yield _finding(
        f"disk {where}",
        critical or disk.free_bytes < limits.disk_free.of(disk.size_bytes),
        f"{_part(disk.free_bytes, disk.size_bytes)} of the disk is free ({where})",
        "CRITICAL" if critical else "HIGH",
        "Make room: alerts and state cannot be written on a full disk.",
    )
    yield _finding(
        f"inodes {where}",
        disk.free_inodes < limits.inodes_free.of(disk.inodes),
        f"{disk.free_inodes} of {disk.inodes} inodes are free ({where})",
        "HIGH",
        "Something makes many small files: no new file can be written when they run out.",
    )


def _memory(memory: Memory, limits: Limits) -> Iterator[Finding]:
    yield _finding(
        "memory",
        memory.available_bytes < limits.memory_free.of(memory.total_bytes),
        f"{_part(memory.available_bytes, memory.total_bytes)} of the memory is available",
        "HIGH",
        "The kernel will soon kill what is largest.",
    )
    yield _finding(
        "swap",
        memory.free_swap_bytes < limits.swap_free.of(memory.swap_bytes),
        f"{_part(memory.free_swap_bytes, memory.swap_bytes)} of the swap is free",
        "MEDIUM",
        "Memory has been short for a while.",
    )


def _clock(clock: KernelClock) -> Iterator[Finding]:
    bound = "" if clock.max_error_s is None else f", within {clock.max_error_s:.3g} s"
    kept = f"the clock is kept right, says {clock.told_by}{bound}"
    yield _finding(
        "clock",
        not clock.synchronised,
        kept if clock.synchronised else f"nothing keeps the clock right, says {clock.told_by}",
        "MEDIUM",
        "Look at timedatectl; chrony tells the kernel only if its configuration says rtcsync.",
    )


def _load(load: Load, limits: Limits) -> Iterator[Finding]:
    yield _finding(
        "load",
        load.average > limits.load * load.cores,
        f"the load is {load.average:g} on {load.cores} core{'s' * (load.cores > 1)}",
        "MEDIUM",
        "Checks take longer and may meet their deadlines.",
    )


def _state(state: StateFiles, limits: Limits) -> Iterator[Finding]:
    yield _finding(
        "database",
        state.database_bytes > limits.database_bytes,
        f"the database takes {size(state.database_bytes)}",
        "MEDIUM",
        "The verb prune lets go of old rows.",
    )
    yield _finding(
        "wal",
        state.wal_bytes > limits.wal_bytes,
        f"the database's log takes {size(state.wal_bytes)}",
        "MEDIUM",
        "A reader holds an old view open and keeps the log from being folded in.",
    )


def _finding(key: str, bad: bool, title: str, severity: str, advice: str) -> Finding:
    return Finding(key, State.BAD, title, severity, advice) if bad else Finding(key, State.FINE, title)


def _part(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f}% ({size(part)})" if whole else "all (there is none)"
