"""The process that starts and reaps the tasks of one run, exec'd by the executor as a script of its own.

It stays single-threaded, opens no socket, file or database but its link to the runner, and reads no task's
request itself (the child does), so that a fork is safe and shares everything that was preloaded. All messages
are JSON objects on a SOCK_SEQPACKET link: `start` (with the request and the output pipe as descriptors) and
`signal` come in; `ready`, `starting`, `started`, `refused`, `ended`, `crash` go out. End of file means that the runner
is gone: every task and what it left behind is killed.
"""

from __future__ import annotations

import sys

STARTED_WITH = frozenset(sys.modules)  # what Python has imported before a script's first line
SEARCH_PATH = tuple(sys.path if sys.flags.safe_path else sys.path[1:])

# ruff: noqa: E402 - the lines above must come before any import
import contextlib
import gc
import importlib
import json
import os
import select
import signal
import socket
import time
import traceback
from pathlib import Path
from typing import Any, NoReturn

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from automation.executor import reaper, task_child
from automation.executor.task import MESSAGE_BYTES, Death

SURVIVORS_S = 1.0  # how long a task's end is held back until all its descendants are gone
_RECHECK_MS = 10
_IGNORED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


class ForkLoop:
    """The loop between the link and the children."""

    def __init__(self, link: socket.socket, interpreter: task_child.Interpreter) -> None:
        self._link = link
        self._interpreter = interpreter
        self._pid = os.getpid()
        self._running: dict[int, int] = {}  # pid -> the runner's number for it
        self._ended: list[tuple[float, dict[str, Any]]] = []  # reports held back, with the time they go out
        wakes, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # a handler, so that the wake-up is written
        for number in _IGNORED:
            signal.signal(number, signal.SIG_IGN)  # the runner ends us, by closing the link
        self._wakes = wakes
        self._poll = select.poll()
        self._poll.register(link, select.POLLIN)
        self._poll.register(wakes, select.POLLIN)

    def serve(self) -> NoReturn:
        while True:
            ready = dict(self._poll.poll(_RECHECK_MS if self._ended else None))
            if self._wakes in ready:
                os.read(self._wakes, 4096)
            self._reap()
            self._report()
            if self._link.fileno() in ready and not self._receive():
                end(0)

    def _reap(self) -> None:
        """Reap what has ended; a task's group is killed while its number is still its own."""
        while pid := reaper.ended_child():
            number = self._running.pop(pid, None)
            if number is not None:
                reaper.send(pid, signal.SIGKILL, group=True)
            death = reaper.reap(pid)
            if number is not None and death is not None:
                self._ended.append((time.monotonic() + SURVIVORS_S, _ended(number, death)))

    def _report(self) -> None:
        """Kill what ended tasks left behind (any child we did not start), then report their ends."""
        survivors = reaper.children() - self._running.keys() if self._ended else set()
        for pid in survivors:
            reaper.send(pid, signal.SIGKILL)
        now = time.monotonic()
        while self._ended and (not survivors or now > self._ended[0][0]):
            self.send(**self._ended.pop(0)[1])

    def _receive(self) -> bool:
        """Obey one message; False when the runner is gone."""
        try:
            data, descriptors, _, _ = socket.recv_fds(self._link, MESSAGE_BYTES, 2)
        except ConnectionResetError:  # it died with messages of ours unread
            return False
        if not data:
            return False
        message = json.loads(data)
        if "start" in message:
            self._start(message["start"], *descriptors)
        else:
            for pid, number in self._running.items():
                if number == message["task"]:
                    # Once only: a task that cleans up must not be asked twice. It may not lead its group yet.
                    reaper.send(pid, message["signal"], group=True) or reaper.send(pid, message["signal"])
        return True

    def _start(self, number: int, request: int, output: int) -> None:
        self.send(starting=number)
        try:
            pid = os.fork()
        except OSError as error:
            self.send(refused=number, reason=str(error))
        else:
            if pid == 0:
                task_child.become(request, output, self._pid, self._interpreter)
            self._running[pid] = number
            self.send(started=number, pid=pid)
        os.close(request)
        os.close(output)

    def send(self, **message: Any) -> None:  # noqa: ANN401 - JSON
        try:
            self._link.send(json.dumps(message).encode())
        except OSError:  # the runner is gone
            end(0)


def end(code: int) -> NoReturn:
    """Kill every child, and what becomes ours by that, until there is none; then exit."""
    while remaining := reaper.children():
        for pid in remaining:
            reaper.send(pid, signal.SIGKILL, group=True)
            reaper.send(pid, signal.SIGKILL)
        os.wait()
    os._exit(code)


def _ended(number: int, death: Death) -> dict[str, Any]:
    return {"ended": number, "status": death.status, "cpu_s": death.cpu_s, "peak_rss_bytes": death.peak_rss_bytes}


def preload(link: socket.socket, names: list[str]) -> None:
    """Import what tasks will need, as far as it is there.

    A module that leaves a thread or a descriptor behind would make forks unsafe: this process then execs
    itself again without it.
    """
    sys.path.insert(0, str(Path.cwd()))
    before = _footprint()
    for name in names:
        try:
            importlib.import_module(name)
        except BaseException:  # noqa: BLE001, S112 - an import may do anything; a task that needs it reports it
            continue
        if _footprint() != before:
            rest = [other for other in names if other != name]
            os.execv(sys.executable, [sys.executable, __file__, str(link.fileno()), *rest])  # noqa: S606 - no shell


def _footprint() -> tuple[int, int]:
    return sum(1 for _ in Path("/proc/self/task").iterdir()), sum(1 for _ in Path("/proc/self/fd").iterdir())


def main() -> NoReturn:
    link = socket.socket(fileno=int(sys.argv[1]))
    try:
        reaper.inherit_orphans()
        gc.disable()  # no garbage, no holes: what is loaded now is shared by all children
        preload(link, sys.argv[2:])
        task_child.forget_ourselves()
        interpreter = task_child.Interpreter.of_this_process(STARTED_WITH, SEARCH_PATH)
        gc.freeze()
        server = ForkLoop(link, interpreter)
        server.send(ready=os.getpid())
        server.serve()
    except BaseException:  # noqa: BLE001 - the last words of this process
        with contextlib.suppress(OSError):
            link.send(json.dumps({"crash": traceback.format_exc()[-4000:]}).encode())
    end(70)  # EX_SOFTWARE of sysexits.h


if __name__ == "__main__":
    main()
