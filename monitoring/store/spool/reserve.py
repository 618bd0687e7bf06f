"""Files for what the database cannot take: their blocks are allocated while there is room, for when the disk is full.

The first place of a reserve is a file in the state directory; where that cannot be written either, shared memory and
the temporary directory. A file is lines of JSON, blank lines up to its end. Several processes use it, under its lock.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import time
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from monitoring.base.temporary import temporary_directory

BLANK = b"\n"
_LOCK_S = 2.0


@dataclass(frozen=True, slots=True)
class Reserve:
    """A kind of file: its name in the state directory, its name elsewhere, and how much room it has."""

    name: str
    name_elsewhere: str
    size_bytes: int

    def own_file(self, directory: Path) -> Path:
        return directory / self.name

    def places(self, directory: Path, uid: int | None = None) -> tuple[Path, ...]:
        """Return where it may lie, the preallocated file of the state directory first."""
        return _places(self, directory, os.geteuid() if uid is None else uid, temporary_directory())

    def prepare(self, directory: Path, first: bytes = b"") -> None:
        """Allocate the file while there is room: written out, since a hole needs a block just when there is none."""
        path = self.own_file(directory)
        with contextlib.suppress(OSError):
            if path.exists() and path.stat().st_size >= self.size_bytes:
                return
            with opened(path, create=True) as descriptor:
                known = b"".join(line + BLANK for line in self.lines(descriptor) if line)
                os.pwrite(descriptor, (known or first).ljust(self.size_bytes, BLANK), 0)
                # Some file systems find out only here that there is no block left, and here it is not too late.
                os.fsync(descriptor)

    def lines(self, descriptor: int) -> list[bytes]:
        return os.pread(descriptor, self.size_bytes, 0).rstrip(BLANK).split(BLANK)

    def append(self, descriptor: int, line: bytes) -> bool:
        """Add a line; False if there is no room for it."""
        content = os.pread(descriptor, self.size_bytes, 0).rstrip(BLANK)
        at = len(content) + 1 if content else 0
        if at + len(line) >= self.size_bytes:
            return False
        os.pwrite(descriptor, line + BLANK, at)
        # Before the caller counts it as kept: the host may lose its power next.
        os.fsync(descriptor)
        return True

    def rewrite(self, descriptor: int, lines: Sequence[bytes], *, keeps_size: bool) -> None:
        """Put these lines into the place of all; a file with blocks of its own keeps them."""
        content = b"".join(line + BLANK for line in lines)
        if keeps_size:
            content = content.ljust(self.size_bytes, BLANK)
        # In place and cut afterwards: a kill in between leaves old lines behind the new ones, never an empty file.
        os.pwrite(descriptor, content, 0)
        if not keeps_size:
            os.ftruncate(descriptor, len(content))
        os.fsync(descriptor)


@lru_cache(maxsize=64)
def _places(reserve: Reserve, directory: Path, user: int, temporary: str) -> tuple[Path, ...]:
    # Kept, since the web service asks for each request whether something lies there.
    name = f"monitoring-{reserve.name_elsewhere}-{user}-{zlib.crc32(os.fsencode(directory)):08x}.log"
    others = dict.fromkeys([Path("/dev/shm"), Path(temporary)])  # noqa: S108 - opened with O_NOFOLLOW, mode 0600
    return (reserve.own_file(directory), *(other / name for other in others))


@contextlib.contextmanager
def opened(path: Path, *, create: bool) -> Iterator[int]:
    """Open and lock a file that is ours.

    Raises:
        OSError: it cannot be opened, is somebody else's, or stays locked.
    """
    # In a directory of everybody a link that somebody else made would have us write into what it points to.
    flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | (os.O_CREAT if create else 0)
    descriptor = os.open(path, flags, 0o600)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid():
            raise PermissionError(f"{path} belongs to somebody else")
        _lock(descriptor)
        yield descriptor
    finally:
        os.close(descriptor)


def read(path: Path, size_bytes: int, owners: Sequence[int]) -> bytes:
    """Read a file without its lock; one that belongs to none of `owners` counts as empty.

    Raises:
        OSError: it cannot be read.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_uid not in owners:
            return b""
        return os.pread(descriptor, size_bytes, 0)
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> None:
    deadline = time.monotonic() + _LOCK_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return
