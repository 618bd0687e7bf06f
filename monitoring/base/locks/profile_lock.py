"""The locks of runs: one run of a profile at a time, no change of the tree under it. For runner, sync and status.

Locks are flock(2) on files that are never removed; the kernel lets go when the holder dies, so no lock is ever
stale. No child may inherit a descriptor: a surviving grandchild would silence the profile for good.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import time
import zlib
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from datetime import datetime
from pathlib import Path

from monitoring.base.clock import Clock, SystemClock
from monitoring.base.errors import LockedError
from monitoring.base.locks.lock_record import Holder, read_record, write_record
from monitoring.base.process_identity import ProcessId, current_process, find_process, is_alive
from monitoring.base.temporary import temporary_directory

__all__ = [
    "FileLock",
    "Holder",
    "ProfileLock",
    "SingleLock",
    "SyncLock",
    "TreeLock",
    "holds_removed",
    "is_held",
    "make_private_directory",
    "running_profiles",
    "single_lock_path",
    "surviving_exec",
]

FDS_VARIABLE = "AUTOMATION_LOCK_FDS"
TREE_LOCK = "tree.lock"
SYNC_LOCK = "sync.lock"
_PROC_LOCKS = Path("/proc/locks")
_RETRY_S = 0.1
_SHARED_WAIT_S = 30.0


class FileLock:
    """One flock on one file, exclusive or shared."""

    def __init__(self, path: Path, environ: MutableMapping[str, str] | None = None) -> None:
        self.path = path
        self._descriptor = _adopt(path, os.environ if environ is None else environ)

    @property
    def held(self) -> bool:
        return self._descriptor is not None

    @property
    def descriptor(self) -> int:
        if self._descriptor is None:
            raise ValueError(f"{self.path} is not held")
        return self._descriptor

    def take(self, operation: int) -> bool:
        """Take or convert the lock without waiting; False leaves nothing held.

        Raises:
            OSError: the lock file can neither be opened nor made.
        """
        descriptor = _open(self.path) if self._descriptor is None else self._descriptor
        try:
            fcntl.flock(descriptor, operation | fcntl.LOCK_NB)
            # A file that was removed or replaced meanwhile locks nobody out.
            taken = _same_file(descriptor, self.path)
        except BlockingIOError:
            taken = False
        if taken:
            self._descriptor = descriptor
        else:
            os.close(descriptor)
            self._descriptor = None
        return taken

    def wait(self, operation: int, limit_s: float, clock: Clock) -> bool:
        """Take the lock as soon as it is free, for at most `limit_s`."""
        deadline = clock.monotonic() + limit_s
        while not self.take(operation):
            left_s = deadline - clock.monotonic()
            if left_s <= 0:
                return False
            time.sleep(min(_RETRY_S, left_s))
        return True

    def release(self) -> None:
        # Closing and not LOCK_UN: a child that was left the description (`leave_to_child`) keeps the lock.
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def leave_to_child(self) -> None:
        """Close our descriptor alone: the child that inherited it holds the lock on, with its description."""
        FileLock.release(self)


class ProfileLock(FileLock):
    """The exclusive `run.<profile>.lock`, with a description of who holds it.

    `is_new`: the file was not there before, so somebody may have removed it under a run that goes on.
    """

    is_new = False

    @classmethod
    def acquire(
        cls, locks: Path, profile: str, *, clock: Clock | None = None, environ: MutableMapping[str, str] | None = None
    ) -> ProfileLock:
        """Take the profile's lock, or take it over from before an exec of this process.

        Raises:
            LockedError: another run has it; `holder` says which.
            OSError: the lock file can neither be opened nor made.
        """
        lock = cls(profile_lock_path(locks, profile), environ)
        adopted = lock.held
        if not lock.take(fcntl.LOCK_EX):
            holder = is_held(lock.path)
            who = "a process that has just let go" if holder is None else str(holder)
            how = "" if holder is None else f"; it ends by itself, or type: python -m automation stop {profile}"
            raise LockedError(f"{profile} is already running: {who}{how}", who)
        lock.is_new = os.fstat(lock.descriptor).st_size == 0
        if not adopted:
            lock._write(Holder(os.getpid(), current_process(), started_at=(clock or SystemClock()).now()))
        return lock

    def take_again(self) -> bool:
        """Take the lock once more after a child that had it is gone; False if another run has it by now."""
        taken = self.take(fcntl.LOCK_EX)
        if taken:
            self._write(Holder(os.getpid(), current_process(), started_at=SystemClock().now()))
        return taken

    def describe(self, *, run_id: int, started_at: datetime, trigger: str) -> None:
        """Record for others which run holds the lock."""
        self._write(Holder(os.getpid(), current_process(), run_id, started_at, trigger))

    def keep(self) -> bool:
        """Take the lock file that lies there now, if somebody removed or replaced ours; False: another run has it."""
        if self._descriptor is None or _same_file(self._descriptor, self.path):
            return True
        new = FileLock(self.path, {})
        if not new.take(fcntl.LOCK_EX):
            return False
        record = read_record(self._descriptor)
        # One descriptor all along: the old file is let go in the same moment in which ours becomes the new one.
        os.dup2(new.descriptor, self._descriptor, inheritable=False)
        new.release()
        self._write(record)
        return True

    def release(self) -> None:
        if self.held:
            self._write(None)
        super().release()

    def _write(self, holder: Holder | None) -> None:
        # On a full disk the lock holds all the same; it only cannot say whose it is.
        with contextlib.suppress(OSError):
            write_record(self.descriptor, holder)


class TreeLock(FileLock):
    """`tree.lock`: runs hold it shared, a sync that changes the tree exclusively."""

    def __init__(
        self, locks: Path, *, clock: Clock | None = None, environ: MutableMapping[str, str] | None = None
    ) -> None:
        super().__init__(locks / TREE_LOCK, environ)
        self._clock = clock or SystemClock()

    def hold_shared(self, limit_s: float = _SHARED_WAIT_S) -> bool:
        """Keep the tree as it is until `release`; turns an exclusive hold into a shared one.

        flock(2) does not convert atomically: another sync may slip in between, so look at the revision
        after this and not before. False: a sync held the tree for all of `limit_s`.
        """
        return self.wait(fcntl.LOCK_SH, limit_s, self._clock)

    def hold_exclusive(self, limit_s: float) -> bool:
        """Wait until no run uses the tree. False: one still did after `limit_s`, and nothing is held."""
        return self.wait(fcntl.LOCK_EX, limit_s, self._clock)


class SyncLock(FileLock):
    """`sync.lock`: one sync of a checkout at a time."""

    def __init__(self, locks: Path, *, clock: Clock | None = None) -> None:
        super().__init__(locks / SYNC_LOCK, {})
        self._clock = clock or SystemClock()

    def hold(self, limit_s: float) -> bool:
        """Wait until no other sync is at work. False: one still was after `limit_s`."""
        return self.wait(fcntl.LOCK_EX, limit_s, self._clock)


class SingleLock(FileLock):
    """`scheduler.lock`, `catch-up.lock`: one process of a kind at a time, which says who it is."""

    def __init__(self, locks: Path, kind: str) -> None:
        super().__init__(single_lock_path(locks, kind), {})
        self._kind = kind

    def take_or_refuse(self, clock: Clock | None = None) -> None:
        """Take the lock.

        Raises:
            LockedError: another process of this kind has it.
        """
        if not self.take(fcntl.LOCK_EX):
            holder = str(is_held(self.path) or "a process that has just let go")
            raise LockedError(f"another {self._kind} is at work: {holder}", holder)
        record = Holder(os.getpid(), current_process(), started_at=(clock or SystemClock()).now(), trigger=self._kind)
        with contextlib.suppress(OSError):
            write_record(self.descriptor, record)


def holds_removed(process: ProcessId, path: Path) -> bool:
    """Return whether a live process still has a removed lock file open; True where that cannot be seen."""
    removed = f"{path.resolve()} (deleted)"
    try:
        descriptors = list(Path(f"/proc/{process.pid}/fd").iterdir())
    except OSError:
        return is_alive(process)
    return any(_link(descriptor) == removed for descriptor in descriptors)


def _link(path: Path) -> str:
    try:
        return str(path.readlink())
    except OSError:  # closed meanwhile
        return ""


def single_lock_path(locks: Path, kind: str) -> Path:
    return locks / f"{kind}.lock"


@contextlib.contextmanager
def surviving_exec(locks: Sequence[FileLock], environ: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Yield the environment for `os.execve` in which the same locks adopt their descriptors again.

    The block is left only if the exec failed; then the descriptors are closed to children once more.
    """
    held = [lock for lock in locks if lock.held]
    handed_on = " ".join(f"{lock.path.name}:{lock.descriptor}" for lock in held)
    # For the moment of the exec only: a child that inherited one of them could hold the lock for days.
    try:
        for lock in held:
            os.set_inheritable(lock.descriptor, True)
        yield {**environ, FDS_VARIABLE: handed_on}
    finally:
        for lock in held:
            os.set_inheritable(lock.descriptor, False)


def usable_locks(locks: Path) -> Path:
    """Return the lock directory, or where it cannot be written a private one that stands for it.

    A state directory of the wrong owner must not stop the checks; runs that meet the same fault still exclude each
    other. A directory of that name that somebody else made first could hold their locks: the next name is taken.
    """
    with contextlib.suppress(OSError):
        make_private_directory(locks)
        if os.access(locks, os.W_OK | os.X_OK):
            return locks
    name = f"monitoring-locks-{os.geteuid()}-{zlib.crc32(os.fsencode(locks)):08x}"
    candidates = [Path(temporary_directory()) / f"{name}{suffix}" for suffix in ("", *(f"-{n}" for n in range(1, 10)))]
    return next((path for path in candidates if _is_private(path)), candidates[-1])


def _is_private(directory: Path) -> bool:
    """Make a directory of our own; return whether it is one that no other user can write to."""
    with contextlib.suppress(OSError):
        directory.mkdir(mode=0o700, exist_ok=True)
        status = directory.lstat()
        mine = stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid()
        return mine and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return False


def profile_lock_path(locks: Path, profile: str) -> Path:
    return locks / f"run.{profile}.lock"


def is_held(path: Path) -> Holder | None:
    """Say who holds the lock, without touching it: a probing flock could turn a starting run away.

    The kernel's list decides; the description is believed only of a process that is alive.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        described, status = read_record(descriptor), os.fstat(descriptor)
    finally:
        os.close(descriptor)
    if described is not None and (described.process is None or not is_alive(described.process)):
        described = None
    flocks = _flocks_on(status.st_ino)
    if flocks is None or (flocks and described):
        return described
    here = [pid for device, pid in flocks if device == status.st_dev]
    return Holder(here[0], find_process(here[0])) if here else None


def running_profiles(locks: Path) -> dict[str, Holder]:
    """Return the profiles whose lock is held now, with the holder of each."""
    paths = sorted(locks.glob("run.*.lock"))
    found = {path.name.removeprefix("run.").removesuffix(".lock"): is_held(path) for path in paths}
    return {profile: holder for profile, holder in found.items() if holder is not None}


def _flocks_on(inode: int) -> list[tuple[int, int]] | None:
    """Return (device, pid) of every flock on this inode number, None where the kernel does not say."""
    try:
        lines = _PROC_LOCKS.read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    found = []
    for fields in (line.split() for line in lines):
        # "1: FLOCK  ADVISORY  WRITE 4711 fe:00:1234 0 EOF"; a waiter has "->" after its number.
        if fields[1] == "FLOCK" and fields[5].endswith(f":{inode}"):
            major, minor, _ = fields[5].split(":")
            found.append((os.makedev(int(major, 16), int(minor, 16)), int(fields[4])))
    return found


def _adopt(path: Path, environ: MutableMapping[str, str]) -> int | None:
    """Take back the descriptor this process handed to itself through an exec."""
    entries = dict(entry.rsplit(":", 1) for entry in environ.get(FDS_VARIABLE, "").split() if ":" in entry)
    text = entries.pop(path.name, "")
    if entries:
        environ[FDS_VARIABLE] = " ".join(f"{name}:{number}" for name, number in entries.items())
    else:
        environ.pop(FDS_VARIABLE, None)
    if not text.isdecimal() or not _same_file(int(text), path):
        return None
    os.set_inheritable(int(text), False)
    return int(text)


def _same_file(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except OSError:
        return False


def make_private_directory(directory: Path) -> None:
    """Make a directory for the owner of its parent alone, even when root makes it by hand."""
    if not directory.is_dir():
        directory.parent.mkdir(parents=True, exist_ok=True)
        directory.mkdir(mode=0o700, exist_ok=True)
        _give_to_owner_of(directory.parent, directory)


def _open(path: Path) -> int:
    make_private_directory(path.parent)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    _give_to_owner_of(path.parent, path)
    return descriptor


def _give_to_owner_of(parent: Path, path: Path) -> None:
    """What root makes by hand must stay usable for the user the unit runs as."""
    owner, own = parent.stat(), path.stat()
    if os.geteuid() == 0 and own.st_uid != owner.st_uid:
        os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)
