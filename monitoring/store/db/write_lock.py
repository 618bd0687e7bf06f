"""A file lock between processes that serves waiters in turn; the store's writers queue on it.

SQLite's own busy handler sleeps longer the longer one waits: under eight writers it left one process with a
single write in six seconds. Here a waiter holds the *queue* while it waits for the *lock*, so the process that
releases the lock can take it again only behind everybody already in line.
"""

from __future__ import annotations

import errno
import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from monitoring.base.errors import StoreBusyError, StoreError


class FairLock:
    """Two flocks, `<path>.queue` and `<path>`: exclusive between processes and between threads of one process."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._queue = path.with_name(path.name + ".queue")

    @contextmanager
    def hold(self, timeout_s: float) -> Iterator[None]:
        """Hold the lock.

        Raises:
            StoreBusyError: it was not free within `timeout_s`.
            StoreError: the lock files cannot be made.
        """
        deadline = time.monotonic() + timeout_s
        queue = _open(self._queue)
        try:
            _acquire(queue, deadline, self._path)
            lock = _open(self._path)
            try:
                _acquire(lock, deadline, self._path)
            except BaseException:
                os.close(lock)
                raise
        finally:
            # Not before the lock is ours: who lets the lock go and wants it again has to queue up behind us.
            os.close(queue)
        try:
            yield
        finally:
            os.close(lock)


def _open(path: Path) -> int:
    """Open a lock file; a new file description each time, so that threads exclude each other too."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o660)
    except OSError as error:
        raise StoreError(f"{path}: the lock file cannot be opened: {error.strerror}") from error


def _acquire(descriptor: int, deadline: float, path: Path) -> None:
    # Mostly it is free: a thread for each write would cost more than the write.
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in (errno.EWOULDBLOCK, errno.EINTR):
            raise StoreError(f"{path}: cannot be locked: {error.strerror}") from error
    else:
        return
    if not _acquire_in_thread(descriptor, deadline):
        raise StoreBusyError(f"{path}: still locked by another process after the time limit")


def _acquire_in_thread(descriptor: int, deadline: float) -> bool:
    """Wait in the kernel's queue, which polling would not, and still give up in time.

    The thread waits on a duplicate. Once abandoned it gives back what it gets: closing the duplicate releases
    the lock only if every descriptor of the description is closed, so it unlocks first.
    """
    duplicate = os.dup(descriptor)
    got, abandoned, guard = threading.Event(), threading.Event(), threading.Lock()

    def wait() -> None:
        with suppress(OSError):
            fcntl.flock(duplicate, fcntl.LOCK_EX)
            with guard:
                got.set()
                if abandoned.is_set():
                    fcntl.flock(duplicate, fcntl.LOCK_UN)
        os.close(duplicate)

    threading.Thread(target=wait, name="store-lock", daemon=True).start()
    if got.wait(max(0.0, deadline - time.monotonic())):
        return True
    with guard:
        abandoned.set()
        return got.is_set()
