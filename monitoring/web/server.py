"""The HTTP server: uvicorn with limits, so that slow, idle and hostile clients cost a bounded amount of memory.

Time and rate limits for the public are the reverse proxy's; these keep the process itself safe. A question that was
asked before in the same bytes, and whose answer is kept, is answered without taking it apart again.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import Any, ClassVar

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from monitoring.web.response_cache import Key

# A browser sends 1 to 2 KiB of headers; nginx refuses more than 32 KiB by default.
MAX_HEAD_BYTES = 32 * 1024
# Each connection costs about 10 KiB; a dashboard uses six, a proxy some dozens.
MAX_CONNECTIONS = 400
# From the first byte of a request to the last of its answer.
REQUEST_LIMIT_S = 30.0
KEEP_ALIVE_S = 15
# Heads remembered for being asked in the same bytes again: a megabyte at most.
_MOST_HEADS, _LONGEST_HEAD_BYTES = 512, 2048
_NOT_PLAIN = {b"if-none-match", b"expect", b"upgrade"}
_REFUSAL = b'{"error":"request_too_large","message":"the head of a request may have 32 KiB"}'
_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: application/json\r\n"
    b"content-length: %d\r\nconnection: close\r\n\r\n%b"
) % (len(_REFUSAL), _REFUSAL)


class LimitedProtocol(HttpToolsProtocol):
    """One connection: its requests are small, it may not be slow, and when there are too many the idlest one goes."""

    max_connections = MAX_CONNECTIONS
    request_limit_s = REQUEST_LIMIT_S
    _known: ClassVar[OrderedDict[bytes, Key]] = OrderedDict()

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - uvicorn's
        super().__init__(*args, **kwargs)
        self._head_bytes = 0
        self._deadline: asyncio.TimerHandle | None = None
        self._active_at = 0.0
        self._between_requests = True
        self._requests = 0
        self._answering: RequestResponseCycle | None = None
        self._kept = getattr(self.app, "kept", None)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection; the one that has been idle for longest makes room."""
        super().connection_made(transport)
        self._active_at = self.loop.time()
        self._begin_request()
        if len(self.connections) > self.max_connections:
            others = [other for other in self.connections if isinstance(other, LimitedProtocol) and other is not self]
            min(others, key=lambda other: (other._is_answering(), other._active_at))._drop()  # noqa: SLF001

    def data_received(self, data: bytes) -> None:
        """Read on, up to the largest head; this API has no use for bodies."""
        if self.transport.is_closing():
            return
        self._active_at = self.loop.time()
        if self._is_free() and self._answer_known(data):
            return
        if self._deadline is None:
            self._begin_request()
        self._head_bytes += len(data)
        if self._head_bytes > MAX_HEAD_BYTES:
            self._refuse()
            return
        was_free, before = self._is_free(), self._requests
        super().data_received(data)
        if was_free and self._between_requests and self._requests == before + 1:
            self._remember(data)

    def on_message_begin(self) -> None:
        self._between_requests = False
        self._requests += 1
        super().on_message_begin()

    def on_message_complete(self) -> None:
        self._between_requests = True
        super().on_message_complete()

    def _is_free(self) -> bool:
        """Tell whether the next byte begins a request that nothing else has to be sent before."""
        return self._between_requests and not self._is_answering() and not self.pipeline and not self.flow.write_paused

    def _answer_known(self, head: bytes) -> bool:
        """Answer at once what was asked before in exactly these bytes, if its answer is kept; tell whether it was."""
        key = self._known.get(head)
        answer = self._kept(key) if key is not None and self._kept is not None else None
        if answer is None:
            return False
        self._unset_keepalive_if_required()
        date = b"".join(b"%b: %b\r\n" % header for header in self.server_state.default_headers)
        self.transport.writelines((answer.status_line, date, answer.head, answer.body))
        self.on_response_complete()
        return True

    def _remember(self, head: bytes) -> None:
        """Remember the one whole request that these bytes were, if it is a plain GET on a connection that is kept."""
        plain = self.scope["method"] == "GET" and self.cycle.keep_alive and not self.cycle.body
        if plain and len(head) <= _LONGEST_HEAD_BYTES and _NOT_PLAIN.isdisjoint(name for name, _ in self.headers):
            self._known[head] = (self.scope["path"], self.scope["query_string"])
            if len(self._known) > _MOST_HEADS:
                self._known.popitem(last=False)

    def on_response_complete(self) -> None:
        """Begin to count anew, at once if the next request is here already."""
        self._end_request()
        if self.pipeline:
            self._begin_request()
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the answer under way, or it would write to what is closed."""
        self._end_request()
        if self._answering is not None:
            self._answering.disconnected = True
        super().connection_lost(exc)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:  # noqa: ANN401 - uvicorn's
        """Note which of the requests in a row is being answered: `self.cycle` is the last of them."""
        self._answering = cycle
        super()._start_asgi_task(cycle, app)

    def _is_answering(self) -> bool:
        return self._answering is not None and not self._answering.response_complete

    def _refuse(self) -> None:
        """Say that the head is too large, unless that would stand in the midst of another answer."""
        if self._is_answering():
            self._drop()
        else:
            self.transport.write(_TOO_LARGE)
            self.transport.close()

    def _drop(self) -> None:
        """End the connection at once."""
        if self._answering is not None:
            self._answering.disconnected = True
        self.transport.abort()

    def _begin_request(self) -> None:
        self._deadline = self.loop.call_later(self.request_limit_s, self._drop)

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
