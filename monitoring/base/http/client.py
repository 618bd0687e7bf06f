"""One HTTP exchange with a deadline that holds whatever the destination or the resolver does.

Used by everything that leaves the host: chains and services, senders, the heartbeat. No URL, header or message of the
library ever gets into an error: only the host's name and what happened. Redirects are never followed: the body of a
POST would get lost on the way, and its key would go to somebody else.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import re
import threading
import weakref
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from monitoring.base.errors import MonitoringError
from monitoring.base.http.deadline import call_within
from monitoring.base.http.proxies import Proxy, proxy_for
from monitoring.base.http.retry import retry_after_s
from monitoring.base.http.words import host_of, scrubbed, secrets_in

if TYPE_CHECKING:
    import socket
    import ssl

    import httpx2

MAX_BYTES = 32 * 1024 * 1024  # a page of logs is the largest honest answer
CONNECT_S = 5.0
_CHUNK = 65536
_BOTH_WAYS = 2  # SHUT_RDWR of the module socket, which most processes need not load
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_TLS_REASON = re.compile(r"\[SSL: (\w+)\]")
_ERRNO = re.compile(r"\[Errno -?\d+\] ")


class FetchError(MonitoringError):
    """No answer came: `timed_out` says that it was waited for, `no_such_name` that the host's name does not exist."""

    def __init__(self, host: str, what: str, *, timed_out: bool = False, no_such_name: bool = False) -> None:
        self.host = host
        self.what = what
        self.timed_out = timed_out
        self.no_such_name = no_such_name
        super().__init__(f"{host}: {what}")


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there is no answer, in words that name no address."""

    what: str
    timed_out: bool = False
    no_such_name: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """What to send. Everything but the host stays out of texts, `repr` included."""

    url: str = field(repr=False)
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)

    @property
    def host(self) -> str:
        return host_of(self.url)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, whatever its status; header names in lower case. `took_s` where the caller measured it."""

    host: str
    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    took_s: float = 0.0

    @property
    def retry_after_s(self) -> float | None:
        return retry_after_s(self.headers)


def scrub(text: str, request: Request, *, limit: int = 200) -> str:
    """Make a destination's text fit to be shown: one line, no URL, nothing of the request's secrets."""
    return scrubbed(text, secrets_in(request.url, request.headers.values()), limit)


class HttpClient:
    """Sends requests; keeps connections per host. Safe to use from several threads.

    `environ` names the proxies (default: this process's). With `max_bytes` of 0 the body of an answer is not read.
    """

    def __init__(
        self, environ: Mapping[str, str] | None = None, *, max_bytes: int = MAX_BYTES, connect_s: float = CONNECT_S
    ) -> None:
        self._environ = os.environ if environ is None else environ
        self._max_bytes = max_bytes
        self._connect_s = connect_s
        self._clients: dict[str, httpx2.Client] = {}
        self._lock = threading.Lock()
        weakref.finalize(self, _close_all, self._clients)  # a script that forgets `close` leaks no socket
        _silence_the_library()

    def __call__(self, request: Request, timeout_s: float) -> Answer:
        """Send and wait, `timeout_s` in all.

        Raises:
            FetchError: no complete answer in time.
        """
        result = self.exchange(request, timeout_s)
        if isinstance(result, Failure):
            raise FetchError(request.host, result.what, timed_out=result.timed_out, no_such_name=result.no_such_name)
        return result

    def exchange(self, request: Request, timeout_s: float) -> Answer | Failure:
        """Send and wait, `timeout_s` in all; never raises, because an exception's frames would hold the address.

        The request runs in a thread of its own that is left behind when the time is up: a resolver has no time
        limit, and a server that drips a byte at a time renews any limit per read.
        """
        try:
            proxy = proxy_for(request.url, self._environ)
        except ValueError:
            return Failure("the URL is malformed")
        if proxy is not None and (problem := proxy.problem):
            return Failure(problem)
        client = self._client(request.host, proxy)
        exchange = _Exchange(client, request, proxy, self._max_bytes)
        limits = timeout_s, min(self._connect_s, timeout_s)
        outcome = call_within(timeout_s, lambda: exchange.run(*limits))
        if outcome is None:
            if not exchange.cut():
                self._abandon(client)
            return _too_late(timeout_s)
        return outcome

    def close(self) -> None:
        with self._lock:
            _close_all(self._clients)

    def _client(self, host: str, proxy: Proxy | None) -> httpx2.Client:
        import httpx2  # noqa: PLC0415 - a tenth of a second that a process which asks nobody does not pay

        name = f"{host} {proxy.variable if proxy else ''}"
        with self._lock:
            if name not in self._clients:
                self._clients[name] = httpx2.Client(
                    verify=tls_context(), follow_redirects=False, proxy=proxy.url if proxy else None, trust_env=False
                )
            return self._clients[name]

    def _abandon(self, client: httpx2.Client) -> None:
        """Let go of connections of which one hangs, and it is not known which."""
        with self._lock:
            for name in [name for name, each in self._clients.items() if each is client]:
                del self._clients[name]
        # The thread of the exchange may still sit in a read; closing the pool makes that read fail instead of leak.
        threading.Thread(target=client.close, name="http-close", daemon=True).start()


class _Exchange:
    """One request and its answer, which can be cut off from another thread."""

    def __init__(self, client: httpx2.Client, request: Request, proxy: Proxy | None, max_bytes: int) -> None:
        self._client = client
        self._request = request
        self._proxy = proxy
        self._max_bytes = max_bytes
        self._socket: socket.socket | None = None
        self._is_cut = False

    def cut(self) -> bool:
        """End it now, if its connection is known."""
        self._is_cut = True
        if self._socket is None:
            return False
        with contextlib.suppress(OSError):
            self._socket.shutdown(_BOTH_WAYS)
        return True

    def run(self, timeout_s: float, connect_s: float) -> Answer | Failure:
        import httpx2  # noqa: PLC0415 - as above

        request = self._request
        try:
            with self._client.stream(
                request.method,
                request.url,
                headers=dict(request.headers),
                content=request.body or None,
                timeout=httpx2.Timeout(timeout_s, connect=connect_s),
                extensions={"trace": self._remember_socket},
            ) as response:
                self._socket = response.extensions["network_stream"].get_extra_info("socket") or self._socket
                body = self._read(response)
                if body is None:
                    return Failure(f"the answer is larger than {self._max_bytes} bytes")
                headers = {name.lower(): value for name, value in response.headers.items()}
                return Answer(request.host, response.status_code, headers, body)
        except httpx2.ConnectTimeout:
            return Failure(f"cannot connect within {connect_s:.3g} s{self._by_proxy}", timed_out=True)
        except httpx2.TimeoutException:
            return _too_late(timeout_s)
        except Exception as error:  # noqa: BLE001 - the border of the library: its errors hold the address
            no_such_name = self._proxy is None and _NO_SUCH_NAME.search(str(error)) is not None
            return Failure(self._plain(error), no_such_name=no_such_name)

    def _remember_socket(self, event: str, info: Mapping[str, Any]) -> None:
        if event.endswith(("connect_tcp.complete", "start_tls.complete")):
            self._socket = info["return_value"].get_extra_info("socket")
            if self._is_cut:  # it was given up while its name was resolved: nothing may be sent any more
                self.cut()

    def _read(self, response: httpx2.Response) -> bytes | None:
        chunks: list[bytes] = []
        size = 0
        for chunk in response.iter_bytes(_CHUNK) if self._max_bytes else ():
            size += len(chunk)
            if size > self._max_bytes:
                return None
            chunks.append(chunk)
        return b"".join(chunks).removeprefix(_BYTE_ORDER_MARK)  # some services begin with one; no parser takes it

    def _plain(self, error: Exception) -> str:
        """Say what happened in our words: the library's own text may hold the URL."""
        name = type(error).__name__
        if name == "ConnectError":
            return f"cannot connect: {_without_host(error)}{self._by_proxy}"
        if name == "ProxyError":
            return f"refused{self._by_proxy}"
        return _PLAIN.get(name, f"the request failed ({name})")

    @property
    def _by_proxy(self) -> str:
        return f" by the proxy of {self._proxy.variable}" if self._proxy else ""


@functools.cache
def tls_context() -> ssl.SSLContext:
    """Return what this host believes of certificates; reading its store costs some 20 ms, so once per process."""
    import httpx2  # noqa: PLC0415 - as above

    return httpx2.create_ssl_context()


# EAI_NONAME and EAI_NODATA of netdb.h; not EAI_AGAIN, which passes.
_NO_SUCH_NAME = re.compile(r"\[Errno -[25]\]")
_PLAIN = {
    "ReadError": "the connection broke off",
    "RemoteProtocolError": "the connection broke off",
    "WriteError": "the connection broke off",
    "InvalidURL": "the URL is malformed",
    "UnsupportedProtocol": "the URL is malformed",
    "DecodingError": "the answer cannot be unpacked",
}


def _too_late(timeout_s: float) -> Failure:
    return Failure(f"no answer within {timeout_s:.3g} s", timed_out=True)


def _without_host(error: Exception) -> str:
    """Return the system's own words; those of TLS quote the host name, so only their reason is kept."""
    text = str(error)
    reason = _TLS_REASON.search(text)
    return f"TLS {reason[1]}" if reason else _ERRNO.sub("", text)


def _close_all(clients: dict[str, httpx2.Client]) -> None:
    while clients:
        clients.popitem()[1].close()


def _no_chatter(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.WARNING


def _silence_the_library() -> None:
    """Keep it from logging whole addresses, whatever level somebody sets later."""
    logging.getLogger("httpx2").addFilter(_no_chatter)
    for library in ("httpx2", "httpcore2"):
        logging.getLogger(library).setLevel(logging.WARNING)
