"""Processes at the level of the kernel: whose child dies with whom, who inherits orphans, and how none survives.

Used by the fork server, by its children and by the executor; it starts nothing itself.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from automation.executor.task import Death

# <linux/prctl.h>
_PR_SET_PDEATHSIG = 1
_PR_SET_NAME = 15
_PR_SET_CHILD_SUBREAPER = 36
_PR_GET_CHILD_SUBREAPER = 37
_KIB = 1024  # ru_maxrss is in KiB on Linux, getrusage(2)
_RECHECK_S = 0.002
_SURVIVORS_LIMIT_S = 5.0

_libc = ctypes.CDLL(None, use_errno=True)


def _prctl(option: int, argument: object) -> None:
    if _libc.prctl(option, argument, 0, 0, 0) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"prctl({option}): {os.strerror(code)}")


def inherit_orphans(on: bool = True) -> bool:
    """Become (or cease to be) the process that orphans below fall to; return what was before."""
    before = ctypes.c_int()
    _prctl(_PR_GET_CHILD_SUBREAPER, ctypes.byref(before))
    _prctl(_PR_SET_CHILD_SUBREAPER, ctypes.c_ulong(on))
    return bool(before.value)


def die_with(parent: int) -> None:
    """Be killed when `parent` ends, also when it ended before the kernel was asked."""
    _prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGKILL))
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def name_process(name: str) -> None:
    """Set what `ps -o comm` shows (the kernel keeps 15 bytes)."""
    _prctl(_PR_SET_NAME, ctypes.create_string_buffer(os.fsencode(name)[:15]))


def children() -> set[int]:
    """Return the pids of this process's children, adopted ones and zombies included."""
    found: set[int] = set()
    for thread in Path("/proc/self/task").iterdir():
        with contextlib.suppress(OSError):  # the thread may have ended
            found.update(map(int, (thread / "children").read_text().split()))
    return found


def send(pid: int, number: int, *, group: bool = False) -> bool:
    """Signal a process, or the group it leads; False if there is none, or it is not ours to signal."""
    try:
        (os.killpg if group else os.kill)(pid, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def ended_child() -> int | None:
    """Return the pid of a child that has ended, without reaping it; None when there is none."""
    try:
        found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return None
    return found.si_pid if found else None


def reap(pid: int) -> Death | None:
    """Reap a child if it has ended, without waiting."""
    try:
        ended, status, usage = os.wait4(pid, os.WNOHANG)
    except ChildProcessError:
        return None
    return Death(status, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * _KIB) if ended else None


def kill_orphans(mine: Callable[[], Collection[int]], limit_s: float) -> dict[int, Death]:
    """Kill and reap every child this process did not start itself, and what they leave behind in turn.

    Call it when a process below us that inherited orphans has died. `mine` names the children to spare.
    Returns the deaths by pid; gives up after `limit_s` on what cannot be killed.
    """
    deaths: dict[int, Death] = {}
    gives_up = time.monotonic() + limit_s
    while orphans := children() - set(mine()):
        for pid in orphans:
            send(pid, signal.SIGKILL)
        for pid in orphans:
            if death := reap(pid):
                deaths[pid] = death
        if time.monotonic() > gives_up:
            break
        time.sleep(_RECHECK_S)
    return deaths


@contextlib.contextmanager
def no_survivors(limit_s: float = _SURVIVORS_LIMIT_S) -> Iterator[None]:
    """End with the block every process it leaves behind, also one that went into a session of its own."""
    mine, before = children(), inherit_orphans()
    try:
        yield
    finally:
        kill_orphans(lambda: mine, limit_s)
        inherit_orphans(before)


class StopRequest:
    """A request to stop that a signal handler or another thread may make, and that wakes a selector.

    Not a `threading.Event`: a handler that sets one deadlocks if its signal comes while the main thread enters or
    leaves a wait for it, since it then holds the lock that `set` needs.
    """

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._made = False

    def make(self) -> None:
        self._made = True
        with contextlib.suppress(BlockingIOError):
            os.write(self._writer, b"!")

    def is_made(self) -> bool:
        return self._made

    def wait(self, limit_s: float) -> bool:
        """Wait for the request, this long at most; return whether it was made."""
        poll = select.poll()  # not `select`, which refuses a descriptor above 1,023
        poll.register(self._reader, select.POLLIN)
        poll.poll(max(limit_s, 0.0) * 1000)
        return self._made

    def fileno(self) -> int:
        """Readable from the request on, permanently: level-triggered on purpose."""
        return self._reader

    def close(self) -> None:
        os.close(self._reader)
        os.close(self._writer)
