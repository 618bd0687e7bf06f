"""One command with a time limit that leaves nothing behind: for git and for the validation of a candidate.

`subprocess.run(timeout=...)` kills the child and leaves the grandchild (git's ssh, git-remote-https) running, and
then waits permanently on the pipe that grandchild holds. Here the command leads a session of its own, the whole
group dies at the limit, and a pipe is read only as long as the command lives.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

# What git says fits many times over; a command gone wild must not fill the runner's memory.
MAX_BYTES = 4 * 1024 * 1024
_GRACE_S = 2.0
_READ_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Finished:
    """How a command ended; a negative `returncode` is the signal. Of the output the last MAX_BYTES are kept."""

    returncode: int
    stdout: str
    stderr: str
    timed_out: bool = False

    @property
    def ok(self) -> bool:
        return self.returncode == 0 and not self.timed_out


def run_command(
    argv: Sequence[str | Path],
    *,
    cwd: Path,
    environ: Mapping[str, str],
    time_limit_s: float,
    grace_s: float = _GRACE_S,
    max_bytes: int = MAX_BYTES,
) -> Finished:
    """Run the command; at the limit TERM and, after the grace, KILL its whole process group.

    Raises:
        OSError: the command cannot be started.
    """
    with (
        subprocess.Popen(
            [os.fspath(argument) for argument in argv],
            cwd=cwd,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        ) as process,
        _ended_with_its_group(process),
        contextlib.closing(_Watch(process, max_bytes)) as watch,
    ):
        ended = False
        try:
            ended = watch.until_exit(time_limit_s)
        finally:
            # Also when the caller itself is asked to end: git removes its lock files on SIGTERM.
            if not ended:
                os.killpg(process.pid, signal.SIGTERM)
                watch.until_exit(grace_s)
    return Finished(process.returncode, watch.text("stdout"), watch.text("stderr"), timed_out=not ended)


@contextlib.contextmanager
def _ended_with_its_group(process: subprocess.Popen[bytes]) -> Iterator[None]:
    try:
        yield
    finally:
        # Not yet reaped, so the group still has its number: whatever the command left behind ends here.
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


class _Watch:
    """Reads a process's pipes until the process itself exits, even if others hold them."""

    def __init__(self, process: subprocess.Popen[bytes], max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._tails = {"stdout": bytearray(), "stderr": bytearray()}
        self._exit = os.pidfd_open(process.pid)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._exit, selectors.EVENT_READ)
        for name, pipe in (("stdout", process.stdout), ("stderr", process.stderr)):
            self._add_pipe(name, pipe)

    def _add_pipe(self, name: str, pipe: IO[bytes] | None) -> None:
        if pipe is not None:
            os.set_blocking(pipe.fileno(), False)
            self._selector.register(pipe.fileno(), selectors.EVENT_READ, name)

    def until_exit(self, limit_s: float) -> bool:
        """Return True once the process has exited and what it wrote is read, False at the limit."""
        deadline = time.monotonic() + limit_s
        while (left_s := deadline - time.monotonic()) > 0:
            ready = {key.fd: key.data for key, _ in self._selector.select(left_s)}
            for descriptor, name in ready.items():
                if name:
                    self._read(descriptor, name)
            if self._exit in ready:
                self._drain()
                return True
        return False

    def _read(self, descriptor: int, name: str) -> bool:
        try:
            chunk = os.read(descriptor, _READ_BYTES)
        except BlockingIOError:
            return False
        if not chunk:
            self._selector.unregister(descriptor)
        tail = self._tails[name]
        tail += chunk
        del tail[: -self._max_bytes]
        return bool(chunk)

    def _drain(self) -> None:
        """Read what is left in the pipes; a survivor that keeps on writing gets one pipe's worth."""
        for key in list(self._selector.get_map().values()):
            reads = 0
            while key.data and reads < self._max_bytes // _READ_BYTES and self._read(key.fd, key.data):
                reads += 1

    def text(self, name: str) -> str:
        return self._tails[name].decode("utf-8", "replace")

    def close(self) -> None:
        self._selector.close()
        os.close(self._exit)
