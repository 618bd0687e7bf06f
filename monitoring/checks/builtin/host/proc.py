"""What the kernel and the file system say about this machine, as plain numbers.

Each reading takes the root it reads under, so that a test can bring its own /proc; what cannot be read is
`Unknown` with the reason, never a number that looks fine. Nothing here judges.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from monitoring.base.kernel_clock import KernelClock, ask_kernel_clock
from monitoring.chains.abi.values import Unknown

ROOT = Path("/")
_KIB = 1024
Read = TypeVar("Read")


@dataclass(frozen=True, slots=True)
class Filesystem:
    """Room left for a process that is not root, in bytes and inodes.

    `names` are those of the places we care about on it, `paths` say where they are.

    `inodes` is 0 where the file system makes inodes as it needs them (btrfs).
    """

    names: tuple[str, ...]
    paths: tuple[str, ...]
    size_bytes: int
    free_bytes: int
    inodes: int
    free_inodes: int


@dataclass(frozen=True, slots=True)
class Memory:
    """`available_bytes` is what the kernel could hand out without swapping."""

    total_bytes: int
    available_bytes: int
    swap_bytes: int
    free_swap_bytes: int


@dataclass(frozen=True, slots=True)
class Load:
    """Processes that wanted a core, averaged over fifteen minutes, and the cores there are."""

    average: float
    cores: int


@dataclass(frozen=True, slots=True)
class StateFiles:
    """The database and its write-ahead log."""

    database_bytes: int
    wal_bytes: int


@dataclass(frozen=True, slots=True)
class HostReadings:
    """One look at the machine."""

    filesystems: Mapping[str, Filesystem | Unknown]
    memory: Memory | Unknown
    clock: KernelClock | Unknown
    load: Load | Unknown
    state: StateFiles | Unknown


def read_all(database: Path, paths: Mapping[str, Path], root: Path = ROOT) -> HostReadings:
    """Take every reading; `paths` are {what it is: where}, reported together where they share a file system."""
    return HostReadings(
        filesystems=read_filesystems(paths),
        memory=_or_unknown(partial(read_memory, root)),
        clock=read_clock(root),
        load=_or_unknown(partial(read_load, root)),
        state=_or_unknown(partial(read_state_files, database)),
    )


def read_filesystems(paths: Mapping[str, Path]) -> dict[str, Filesystem | Unknown]:
    """Read each file system once, under the first of the names that lie on it."""
    together: dict[object, dict[str, Path]] = {}
    for name, path in paths.items():
        try:
            device: object = path.stat().st_dev
        except OSError:
            device = path
        together.setdefault(device, {})[name] = path
    return {next(iter(group)): _or_unknown(partial(read_filesystem, group)) for group in together.values()}


def read_filesystem(paths: Mapping[str, Path]) -> Filesystem:
    """Read the file system that holds all of `paths`.

    Raises:
        OSError: there is no such path.
    """
    stat = os.statvfs(next(iter(paths.values())))
    used = stat.f_blocks - stat.f_bfree
    return Filesystem(
        names=tuple(paths),
        paths=tuple(f"{name} {path}" for name, path in paths.items()),
        size_bytes=(used + stat.f_bavail) * stat.f_frsize,  # as df counts: without what is kept for root
        free_bytes=stat.f_bavail * stat.f_frsize,
        inodes=stat.f_files,
        free_inodes=stat.f_favail,
    )


def read_memory(root: Path = ROOT) -> Memory:
    """Read /proc/meminfo.

    Raises:
        OSError: it is not there.
        ValueError: it does not say what we need.
    """
    path = root / "proc/meminfo"
    lines = (line.split() for line in path.read_text(encoding="ascii").splitlines())
    kib = {words[0].rstrip(":"): int(words[1]) for words in lines if len(words) > 1}
    missing = {"MemTotal", "MemAvailable", "SwapTotal", "SwapFree"} - kib.keys()
    if missing:
        raise ValueError(f"{path} does not contain {', '.join(sorted(missing))}")
    return Memory(
        total_bytes=kib["MemTotal"] * _KIB,
        available_bytes=kib["MemAvailable"] * _KIB,
        swap_bytes=kib["SwapTotal"] * _KIB,
        free_swap_bytes=kib["SwapFree"] * _KIB,
    )


def read_load(root: Path = ROOT) -> Load:
    """Read /proc/loadavg and the cores this process may use.

    Raises:
        OSError: it is not there.
        ValueError: it is not three numbers.
    """
    path = root / "proc/loadavg"
    words = path.read_text(encoding="ascii").split()
    try:
        return Load(average=float(words[2]), cores=len(os.sched_getaffinity(0)))
    except IndexError:
        raise ValueError(f"{path} does not contain a load") from None


def read_state_files(database: Path) -> StateFiles:
    """Read the sizes of the database and its log; no log is a log of nothing.

    Raises:
        OSError: there is no database.
    """
    wal = database.with_name(f"{database.name}-wal")
    return StateFiles(database.stat().st_size, wal.stat().st_size if wal.exists() else 0)


def read_clock(root: Path = ROOT, kernel: Callable[[], KernelClock] | None = None) -> KernelClock | Unknown:
    """Ask the kernel; where it may not be asked (`ProtectClock=`), look for the mark of systemd-timesyncd.

    No mark proves nothing: chrony and ntpd leave none.
    """
    try:
        return (kernel or ask_kernel_clock)()
    except OSError as error:
        mark = root / "run/systemd/timesync/synchronized"
        if mark.exists():
            return KernelClock(synchronised=True, max_error_s=None, source="systemd-timesyncd")
        return Unknown(f"the kernel does not report it ({error.strerror}), nor does systemd-timesyncd", "this host")


def _or_unknown(read: Callable[[], Read]) -> Read | Unknown:
    try:
        return read()
    except (OSError, ValueError) as error:
        return Unknown(str(error), "this host")
