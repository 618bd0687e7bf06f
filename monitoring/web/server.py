"""The HTTP server: uvicorn with limits, so that slow, idle and hostile clients cost a bounded amount of memory.

Time and rate limits for the public are the reverse proxy's; these keep the process itself safe.
"""

from __future__ import annotations

import asyncio
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

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


class LimitedProtocol(HttpToolsProtocol):
    """One connection: its requests are small, it may not be slow, and when there are too many the idlest one goes."""

    max_connections = MAX_CONNECTIONS
    request_limit_s = REQUEST_LIMIT_S

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - uvicorn's
        super().__init__(*args, **kwargs)
        self._head_bytes = 0
        self._deadline: asyncio.TimerHandle | None = None
        self._active_at = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection; the one that has been idle for longest makes room."""
        super().connection_made(transport)
        self._active_at = self.loop.time()
        self._begin_request()
        if len(self.connections) > self.max_connections:
            others = [other for other in self.connections if isinstance(other, LimitedProtocol) and other is not self]
            min(others, key=lambda other: (other._is_answering(), other._active_at)).transport.abort()  # noqa: SLF001

    def data_received(self, data: bytes) -> None:
        """Read on, up to the largest head; this API has no use for bodies."""
        if self.transport.is_closing():
            return
        self._active_at = self.loop.time()
        if self._deadline is None:
            self._begin_request()
        self._head_bytes += len(data)
        if self._head_bytes > MAX_HEAD_BYTES:
            self.transport.write(_TOO_LARGE)
            self.transport.close()
            return
        super().data_received(data)

    def on_response_complete(self) -> None:
        """Begin to count anew, at once if the next request is here already."""
        self._end_request()
        if self.pipeline:
            self._begin_request()
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end_request()
        super().connection_lost(exc)

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _begin_request(self) -> None:
        self._deadline = self.loop.call_later(self.request_limit_s, self.transport.abort)

    def _end_request(self) -> None:
        self._head_bytes = 0
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def config(app: ASGIApp, host: str, port: int) -> uvicorn.Config:
    """Return how the server is run: no access log (the proxy has one), no websockets, nothing but HTTP."""
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        http=LimitedProtocol,
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
