"""One HTTP request with a deadline that holds whatever the far side or the resolver does.

Used by everything here that leaves the host. No URL, header or library message ever gets into an error: only the
host's name and what happened.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import queue
import re
import ssl
import threading
import weakref
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit

import httpx2

from monitoring.base.errors import ChainError
from monitoring.base.secrets.redact import redact

MAX_BYTES = 32 * 1024 * 1024  # a page of logs is the largest honest answer
_CONNECT_S = 5.0
_CHUNK = 65536
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_SHORTEST_SECRET = 6  # a shorter path segment is a word such as `rpc` or `eth`
_ANY_URL = re.compile(r"https?://[^\s\"'<>]+")


class FetchError(ChainError):
    """No answer came: `timed_out` says that it was waited for."""

    def __init__(self, host: str, what: str, *, timed_out: bool = False) -> None:
        self.host = host
        self.what = what
        self.timed_out = timed_out
        super().__init__(f"{host}: {what}")


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
    """What came back, whatever its status."""

    host: str
    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def retry_after_s(self) -> float | None:
        """Seconds of a `Retry-After` header; its date form is rare here and counts as absent."""
        text = self.headers.get("retry-after", "")
        return float(text) if re.fullmatch(r"\d{1,6}(\.\d{1,3})?", text) else None


@functools.cache
def _tls() -> ssl.SSLContext:
    # Reading the certificate store costs some 20 ms: once per process, not once per host.
    return httpx2.create_ssl_context()


def host_of(url: str) -> str:
    """Return the only part of a URL that may be written anywhere; a label of it that is a key is not."""
    with contextlib.suppress(ValueError):
        return redact(urlsplit(url).hostname or "(no host)")
    return "(no host)"


def secrets_of(request: Request) -> list[str]:
    """Return what of a request must not be repeated, longest first."""
    split = urlsplit(request.url)
    pieces = [split.path, split.query, split.username or "", split.password or "", *split.path.split("/")]
    pieces += [value for _, value in parse_qsl(split.query)]
    for value in request.headers.values():
        pieces += [value, *value.split()]
    pieces += [unquote(piece) for piece in pieces]
    return sorted({piece for piece in pieces if len(piece) >= _SHORTEST_SECRET}, key=len, reverse=True)


def scrub(text: str, request: Request, *, limit: int = 200) -> str:
    """Make a far side's text fit to be shown: one line, no URL, nothing of the request's secrets."""
    text = _ANY_URL.sub(lambda found: host_of(found[0]), text)
    for secret in secrets_of(request):
        text = text.replace(secret, "…")
    text = redact(text)
    text = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return text if len(text) <= limit else text[: limit - 1] + "…"


class Fetcher:
    """Sends requests; keeps connections per host. Safe to use from several threads."""

    def __init__(self, *, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._clients: dict[str, httpx2.Client] = {}
        self._lock = threading.Lock()
        weakref.finalize(self, _close_all, self._clients)  # a script that forgets `close` leaks no socket
        for library in ("httpx2", "httpcore2"):
            # At INFO it writes whole URLs, keys included, into whatever log a script has set up.
            logging.getLogger(library).setLevel(logging.WARNING)

    def __call__(self, request: Request, timeout_s: float) -> Answer:
        """Send and wait, `timeout_s` in all.

        The request runs in a thread of its own that is left behind when the time is up: a resolver has no time
        limit, and a server that drips a byte at a time renews any limit per read.

        Raises:
            FetchError: no complete answer in time.
        """
        done: queue.SimpleQueue[Answer | FetchError] = queue.SimpleQueue()
        client = self._client(request.host)
        worker = threading.Thread(
            target=lambda: done.put(self._send(client, request, timeout_s)), name="fetch", daemon=True
        )
        worker.start()
        try:
            result = done.get(timeout=timeout_s)
        except queue.Empty:
            self._abandon(request.host, client)
            result = FetchError(request.host, f"no answer within {timeout_s:.0f} s", timed_out=True)
        if isinstance(result, FetchError):
            raise result
        return result

    def close(self) -> None:
        with self._lock:
            _close_all(self._clients)

    def _client(self, host: str) -> httpx2.Client:
        with self._lock:
            if host not in self._clients:
                self._clients[host] = httpx2.Client(verify=_tls(), follow_redirects=False)
            return self._clients[host]

    def _abandon(self, host: str, client: httpx2.Client) -> None:
        with self._lock:
            if self._clients.get(host) is client:
                del self._clients[host]
        # Its own thread may still sit in a read; closing the pool makes that read fail instead of leak.
        threading.Thread(target=client.close, name="fetch-close", daemon=True).start()

    def _send(self, client: httpx2.Client, request: Request, timeout_s: float) -> Answer | FetchError:
        limits = httpx2.Timeout(timeout_s, connect=min(_CONNECT_S, timeout_s))
        try:
            with client.stream(
                request.method,
                request.url,
                headers=dict(request.headers),
                content=request.body or None,
                timeout=limits,
            ) as response:
                body = self._read(response)
                if body is None:
                    return FetchError(request.host, f"the answer is larger than {self._max_bytes} bytes")
                headers = {name.lower(): value for name, value in response.headers.items()}
                return Answer(request.host, response.status_code, headers, body)
        except httpx2.TimeoutException:
            return FetchError(request.host, f"no answer within {timeout_s:.0f} s", timed_out=True)
        except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError, OSError, ValueError, RuntimeError) as error:
            # The library's own text may hold the URL; the kind of failure is all that is safe.
            return FetchError(request.host, _plain_name(error))

    def _read(self, response: httpx2.Response) -> bytes | None:
        chunks: list[bytes] = []
        size = 0
        for chunk in response.iter_bytes(_CHUNK):
            size += len(chunk)
            if size > self._max_bytes:
                return None
            chunks.append(chunk)
        return b"".join(chunks).removeprefix(_BYTE_ORDER_MARK)  # some services begin with one; no parser takes it


def _close_all(clients: dict[str, httpx2.Client]) -> None:
    while clients:
        clients.popitem()[1].close()


_PLAIN = {
    "ConnectError": "cannot be reached",
    "ReadError": "the connection broke",
    "RemoteProtocolError": "the connection broke",
    "WriteError": "the connection broke",
    "InvalidURL": "the URL is malformed",
    "UnsupportedProtocol": "the URL is malformed",
    "DecodingError": "the answer cannot be unpacked",
}


def _plain_name(error: BaseException) -> str:
    name = type(error).__name__
    return _PLAIN.get(name, f"the request failed ({name})")
