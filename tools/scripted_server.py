"""A small HTTP server on loopback that misbehaves on request: the common part of the stand-ins for destinations.

Used by tests and by demos. Whatever arrives is kept; what is answered is scripted, or decided by the stand-in.
"""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal, Self

Manner = Literal["whole", "hang", "reset", "half", "drip", "close"]
_DRIP_EVERY_S = 0.05


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer. `manner`: the whole of it, none at all, a reset, half of the body, byte by byte, or a closed door."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    manner: Manner = "whole"

    @classmethod
    def of_json(cls, status: int, data: object, headers: Mapping[str, str] | None = None) -> Self:
        return cls(status, json.dumps(data).encode(), {"Content-Type": "application/json", **(headers or {})})


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it arrived; header names in lower case, `at_s` by the server's clock."""

    at_s: float
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    connection: int


class ScriptedServer:
    """Answers from its script first, then as `respond` decides; subclasses override that."""

    def __init__(self, *, port: int = 0, clock: Callable[[], float] = time.monotonic) -> None:
        self.requests: list[Request] = []
        self.connections = 0
        self._clock = clock
        self._script: deque[Answer | None] = deque()
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._server = _Server(self, port)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def script(self, *answers: Answer | None) -> None:
        """Set the next answers, one a request; None leaves that one to `respond`."""
        self._script.extend(answers)

    def respond(self, _request: Request) -> Answer:
        return Answer()

    def wait_for(self, condition: Callable[[], bool], timeout_s: float = 30) -> bool:
        """Wait until something that arrived makes the condition true; return whether it did."""
        with self._changed:
            return self._changed.wait_for(condition, timeout_s)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._stopping.set()
        with self._changed:
            self._changed.notify_all()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def take(self, request: Request) -> Answer:
        """Record a request and decide its answer, one request at a time."""
        with self._changed:
            self.requests.append(request)
            scripted = self._script.popleft() if self._script else None
            answer = self.respond(request) if scripted is None else scripted
            self._changed.notify_all()
            return answer

    def opened(self) -> int:
        with self._changed:
            self.connections += 1
            return self.connections

    def now_s(self) -> float:
        return self._clock()

    def hold(self, until: Callable[[], bool], timeout_s: float) -> None:
        """Hold the answer to a request back until something is so, the time is up or the server stops."""
        self._changed.wait_for(lambda: until() or self._stopping.is_set(), timeout_s)

    def pause(self, seconds: float | None = None) -> bool:
        """Wait until the server stops or the time is up; return whether it stops."""
        return self._stopping.wait(seconds)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, owner: ScriptedServer, port: int) -> None:
        self.owner = owner
        super().__init__(("127.0.0.1", port), _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def setup(self) -> None:
        super().setup()
        self._number = self.server.owner.opened()

    def do_POST(self) -> None:
        owner = self.server.owner
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(owner.now_s(), self.command, self.path, headers, body, self._number)
        answer = owner.take(request)
        {
            "whole": self._whole, "hang": self._hang, "reset": self._reset, "half": self._half,
            "drip": self._drip, "close": self._close,
        }[answer.manner](answer)  # fmt: skip

    do_GET = do_POST  # noqa: N815 - the name http.server looks for

    def log_message(self, *_args: object) -> None:
        """Tests print what they need."""

    def _head(self, answer: Answer) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()

    def _whole(self, answer: Answer) -> None:
        self._head(answer)
        self.wfile.write(answer.body)

    def _hang(self, _answer: Answer) -> None:
        self.server.owner.pause()
        self.close_connection = True

    def _reset(self, _answer: Answer) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.close()

    def _half(self, answer: Answer) -> None:
        self._head(answer)
        self.wfile.write(answer.body[: len(answer.body) // 2])
        self.close_connection = True

    def _drip(self, answer: Answer) -> None:
        self._head(answer)
        for at in range(len(answer.body)):
            self.wfile.write(answer.body[at : at + 1])
            if self.server.owner.pause(_DRIP_EVERY_S):
                break
        self.close_connection = True

    def _close(self, _answer: Answer) -> None:
        self.close_connection = True
