"""The HTTP server: stock uvicorn, and around each of its connections the limits that it does not have.

Slow, idle and hostile clients cost a bounded amount of memory; rates and limits for the public are the reverse
proxy's. Nothing here looks into uvicorn: a `LimitedConnection` is an `asyncio.Protocol` that hands every event on.
"""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

# A browser sends 1 to 2 KiB of headers; nginx refuses more than 32 KiB by default.
MAX_HEAD_BYTES = 32 * 1024
# Each connection costs about 10 KiB; a dashboard uses six, a proxy some dozens.
MAX_CONNECTIONS = 400
# From the first byte of a request to the last of its answer.
REQUEST_LIMIT_S = 30.0
KEEP_ALIVE_S = 15
_REFUSAL = b'{"error":"request_too_large","message":"the head of a request may have 32 KiB"}'
_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: application/json\r\n"
    b"content-length: %d\r\nconnection: close\r\n\r\n%b"
) % (len(_REFUSAL), _REFUSAL)


class LimitedConnection(asyncio.Protocol):
    """One connection: its requests are small, it may not be slow, and when there are too many the idlest one goes."""

    max_connections = MAX_CONNECTIONS
    request_limit_s = REQUEST_LIMIT_S
    _all: ClassVar[dict[LimitedConnection, None]] = {}  # the one that has been idle for longest comes first

    def __init__(self, *, app_state: dict[str, Any], **of_uvicorn: Any) -> None:  # noqa: ANN401 - uvicorn's
        # uvicorn hands this state to the application with each request: so `limited` finds the connection.
        self._http = H11Protocol(app_state={**app_state, "connection": self}, **of_uvicorn)
        self._unanswered_bytes = 0
        self._is_answering = False
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection; the one that has been idle for longest makes room."""
        self._transport = transport
        self._http.connection_made(transport)
        self._all[self] = None
        self._start_deadline()
        if len(self._all) > self.max_connections:
            next((each for each in self._all if not each._is_answering), next(iter(self._all)))._drop()  # noqa: SLF001

    def data_received(self, data: bytes) -> None:
        """Read on, up to the largest head; this API has no use for bodies."""
        if self._transport.is_closing():
            return
        self._all[self] = self._all.pop(self, None)
        self._start_deadline()
        self._unanswered_bytes += len(data)
        if self._unanswered_bytes > MAX_HEAD_BYTES:
            self._refuse()
        else:
            self._http.data_received(data)

    def eof_received(self) -> None:
        self._http.eof_received()

    def pause_writing(self) -> None:
        self._http.pause_writing()

    def resume_writing(self) -> None:
        self._http.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._all.pop(self, None)
        self._stop_deadline()
        self._http.connection_lost(exc)

    def answer_begins(self) -> None:
        """Start the clock, which runs already unless this request was sent together with the one before."""
        self._is_answering = True
        self._start_deadline()

    def answer_ended(self) -> None:
        """Stop the clock: how long the connection may now be idle is uvicorn's to limit."""
        self._is_answering = False
        self._unanswered_bytes = 0
        self._stop_deadline()

    def _start_deadline(self) -> None:
        if self._deadline is None:
            self._deadline = asyncio.get_running_loop().call_later(self.request_limit_s, self._drop)

    def _stop_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _refuse(self) -> None:
        """Say that the head is too large, unless that would be in the middle of another answer."""
        if self._is_answering:
            self._drop()
        else:
            self._transport.write(_TOO_LARGE)
            self._transport.close()

    def _drop(self) -> None:
        self._transport.abort()


def limited(app: ASGIApp) -> ASGIApp:
    """Return the application, which says to its connection when an answer begins and ends."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        connection: LimitedConnection = scope["state"]["connection"]
        connection.answer_begins()
        try:
            await app(scope, receive, send)
        finally:
            connection.answer_ended()

    return answer


def config(app: ASGIApp, host: str, port: int) -> uvicorn.Config:
    """Return how the server is run: no access log (the proxy has one), no websockets, nothing but HTTP."""
    return uvicorn.Config(
        limited(app),
        host=host,
        port=port,
        http=LimitedConnection,
        ws="none",
        lifespan="off",
        loop="uvloop",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=5,
        backlog=512,
    )


def serve(app: ASGIApp, host: str, port: int) -> None:
    """Serve until SIGTERM or SIGINT."""
    uvicorn.Server(config(app, host, port)).run()
