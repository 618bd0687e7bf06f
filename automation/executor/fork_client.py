"""The runner's end of the fork server: starts it with a scrubbed environment, speaks its protocol, notices its death.

Used by the executor alone. It decides nothing about tasks and never blocks on a server that hangs.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple

from automation.executor.task import MESSAGE_BYTES, Death, signal_name
from automation.jobs.model import Task
from monitoring.base.secrets.secret_values import is_secret

# Not imported: what it needs to be a task's process is nothing to the runner.
_SERVER = str(Path(__file__).with_name("fork_server.py"))
_GOODBYE_S = 5.0  # a server without a link kills what it has and exits; longer than that means it hangs
# What Python itself needs to start, find its libraries and speak the operator's language and time.
_NEEDED = frozenset(("PATH", "HOME", "LANG", "LANGUAGE", "TZ", "TMPDIR", "LD_LIBRARY_PATH"))
_NEEDED_PREFIXES = ("LC_", "PYTHON")
# What acts when an interpreter starts, so that a fork of a running one cannot take it over.
_ACTS_AT_START = ("LC_", "PYTHON", "LD_", "GLIBC_", "MALLOC_", "OPENSSL_")
_ACT_AT_START = frozenset(("LANG", "HOME"))


class Ready(NamedTuple):
    """The server has preloaded what it could and takes tasks."""


class Starting(NamedTuple):
    """The server took a task up: from here on it may have run, whatever happens to the server."""

    number: int


class Started(NamedTuple):
    """A task's process exists."""

    number: int
    pid: int


class Refused(NamedTuple):
    """A task's process could not be made."""

    number: int
    reason: str


class TaskEnded(NamedTuple):
    """A task's process has ended and nothing it started is left."""

    number: int
    death: Death


class Lost(NamedTuple):
    """The server is dead; `reason` says how."""

    reason: str


Event = Ready | Starting | Started | Refused | TaskEnded | Lost


def server_environment(environments: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Return the environment most tasks can be forked from, with nothing in it that could be a secret."""
    wanted = Counter(tuple(sorted(filter(_server_may_have, env.items()))) for env in environments)
    return dict(wanted.most_common(1)[0][0]) if wanted else {}


def _server_may_have(variable: tuple[str, str]) -> bool:
    name = variable[0]
    needed = name in _NEEDED or name.startswith(_NEEDED_PREFIXES)
    return needed and name != "PYTHONPATH" and not is_secret(*variable)


def needs_own_interpreter(env: Mapping[str, str], server_env: Mapping[str, str]) -> bool:
    """Return whether an environment changes how an interpreter starts, against the server's."""
    return dict(filter(_acts_at_start, env.items())) != dict(filter(_acts_at_start, server_env.items()))


def _acts_at_start(variable: tuple[str, str]) -> bool:
    name = variable[0]
    acts = name in _ACT_AT_START or name.startswith(_ACTS_AT_START)
    return acts and name != "PYTHONPATH" and not is_secret(*variable)


class ForkServer:
    """A running fork server. `events` and `fileno` serve a selector; `close` ends it and all it started."""

    def __init__(self, *, cwd: str, env: Mapping[str, str], preload: Iterable[str]) -> None:
        self._cwd = cwd
        self._env = env
        self._link, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._link.setblocking(False)
        with theirs:
            self._process = self._exec(theirs.fileno(), preload)
        self._last_words = ""
        # A socket holds few messages (net.unix.max_dgram_qlen, often 10), and to wait here for the server
        # while it waits for us would be the end of both: what does not fit now waits with its descriptors.
        self._outbox: deque[tuple[bytes, list[int]]] = deque()

    def _exec(self, link: int, preload: Iterable[str]) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(
                [sys.executable, _SERVER, str(link), *preload],
                cwd=self._cwd,
                env=dict(self._env),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,  # not ours: a survivor would keep the log's pipe open
                stderr=subprocess.DEVNULL,
                pass_fds=(link,),
                start_new_session=True,  # out of reach of Ctrl-C, which is the runner's to hear
            )
        except OSError:
            self._link.close()
            raise

    @property
    def pid(self) -> int:
        return self._process.pid

    def fileno(self) -> int:
        return self._link.fileno()

    def has_mail(self) -> bool:
        """Return whether messages wait until the link is writable again."""
        return bool(self._outbox)

    def start(self, number: int, task: Task) -> int:
        """Ask for a task's process; return the end of the pipe its output comes from."""
        reader, writer = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(reader, False)
        request = os.memfd_create("task", os.MFD_CLOEXEC)
        with os.fdopen(os.dup(request), "wb") as file:
            file.write(self._encoded(task))
        self._post({"start": number}, [request, writer])
        return reader

    def _encoded(self, task: Task) -> bytes:
        isolate = task.isolate or needs_own_interpreter(task.env, self._env)
        return json.dumps(asdict(replace(task, cwd=self._cwd, isolate=isolate))).encode()

    def signal(self, number: int, signum: int) -> None:
        """Ask for a signal to a task's process group."""
        self._post({"task": number, "signal": signum}, [])

    def _post(self, message: dict[str, int], descriptors: list[int]) -> None:
        self._outbox.append((json.dumps(message).encode(), descriptors))
        self.send_mail()

    def send_mail(self) -> None:
        """Send what waits, as far as there is room; a dead server is noticed by `events`."""
        while self._outbox:
            data, descriptors = self._outbox[0]
            try:
                socket.send_fds(self._link, [data], descriptors)
            except BlockingIOError:
                return
            except OSError:
                self._drop_mail()
                return
            self._outbox.popleft()
            _close_all(descriptors)

    def _drop_mail(self) -> None:
        while self._outbox:
            _close_all(self._outbox.popleft()[1])

    def events(self) -> list[Event]:
        """Return what has happened since the last call; `Lost` comes last and only once."""
        events: list[Event] = []
        while True:
            try:
                data = self._link.recv(MESSAGE_BYTES)
            except BlockingIOError:
                return events
            except OSError:
                data = b""
            if not data:
                return [*events, Lost(self._farewell())]
            message = json.loads(data)
            if "crash" in message:
                self._last_words = message["crash"].strip().rpartition("\n")[2]
            else:
                events.append(_event(message))

    def close(self) -> bool:
        """Let go of the server, which kills everything it started, and wait; False when it did not manage to."""
        self._drop_mail()
        self._link.close()
        return self._wait() == 0

    def _wait(self) -> int:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self._process.wait(_GOODBYE_S)
        self._process.kill()
        return self._process.wait()

    def _farewell(self) -> str:
        self._drop_mail()
        self._link.close()
        code = self._wait()
        how = f"killed by {signal_name(-code)}" if code < 0 else f"exit {code}"
        return f"the fork server died ({self._last_words or how})"

    def kill(self) -> None:
        """End a server that does not answer; `events` will report it as lost."""
        self._process.send_signal(signal.SIGKILL)


def _close_all(descriptors: Iterable[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


def _event(message: dict[str, Any]) -> Event:
    match message:
        case {"ready": _}:
            return Ready()
        case {"starting": number}:
            return Starting(number)
        case {"started": number, "pid": pid}:
            return Started(number, pid)
        case {"refused": number, "reason": reason}:
            return Refused(number, reason)
        case {"ended": number, **death}:
            return TaskEnded(number, Death(**death))
    raise ValueError(f"the fork server said {message!r}")
