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
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from monitoring.base.errors import StoreBusyError, StoreError

_FLAGS = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC


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
        queue = _open(self._queue)
        try:
            lock = _open(self._path)
            try:
                self._acquire([queue, lock], timeout_s)
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

    def _acquire(self, descriptors: list[int], timeout_s: float) -> None:
        try:
            # Mostly both are free: a thread for each write would cost more than the write.
            while descriptors and _is_free(descriptors[0]):
                del descriptors[0]
        except OSError as error:
            raise StoreError(f"{self._path}: cannot be locked: {error.strerror}") from error
        if descriptors and not _acquire_in_thread(descriptors, timeout_s):
            raise StoreBusyError(f"{self._path}: still locked by another process after the time limit")


def _open(path: Path) -> int:
    """Open a lock file; a new file description each time, so that threads exclude each other too."""
    try:
        with suppress(FileNotFoundError):  # the folder is there but for the very first time
            return os.open(path, _FLAGS, 0o660)
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, _FLAGS, 0o660)
    except OSError as error:
        raise StoreError(f"{path}: the lock file cannot be opened: {error.strerror}") from error


def _is_free(descriptor: int) -> bool:
    """Take a lock if nobody has it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in (errno.EWOULDBLOCK, errno.EINTR):
            raise
        return False
    return True


def _acquire_in_thread(descriptors: list[int], timeout_s: float) -> bool:
    """Wait in the kernel's queue, which polling would not, for one lock after the other; still give up in time.

    One thread for both: under eight writers each of them costs more than the statements of an alert. It waits on
    duplicates and closes them before it reports, since a lock is released once no descriptor of it is open: what it
    gets after it was given up goes back by that.
    """
    duplicates, ours = [os.dup(descriptor) for descriptor in descriptors], threading.Lock()
    ours.acquire()

    def wait() -> None:
        is_ours = False
        with suppress(OSError):
            for duplicate in duplicates:
                fcntl.flock(duplicate, fcntl.LOCK_EX)
            is_ours = True
        for duplicate in duplicates:
            os.close(duplicate)
        if is_ours:
            ours.release()

    threading.Thread(target=wait, name="store-lock", daemon=True).start()
    return ours.acquire(timeout=max(0.0, timeout_s))
