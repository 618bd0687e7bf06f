"""Finished answers, and the shelf that keeps them for as long as they are true.

An answer is true while the database's version stands and, where the time of day is in it, for some seconds.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from starlette.types import Scope, Send

from monitoring.web.reader import Version

JSON = "application/json"
HTML = "text/html; charset=utf-8"
# Everything a page needs comes from here; nothing in a page can run that is not one of our files.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_SECURITY = (
    (b"content-security-policy", _POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
_REVALIDATE = "no-cache"
Key = tuple[str, bytes]


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes over the wire, made once however often it is sent."""

    body: bytes
    media_type: str = JSON
    status: int = 200
    more_headers: Mapping[str, str] = field(default_factory=dict)
    cache_control: str = _REVALIDATE
    etag: bytes = field(init=False)
    headers: list[tuple[bytes, bytes]] = field(init=False)
    status_line: bytes = field(init=False)
    head: bytes = field(init=False)  # the headers as they go over the wire

    def __post_init__(self) -> None:
        digest = hashlib.blake2b(self.body, digest_size=12).hexdigest()
        object.__setattr__(self, "etag", f'"{digest}"'.encode())
        object.__setattr__(self, "headers", self._headers())
        status_line = f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}\r\n"
        object.__setattr__(self, "status_line", status_line.encode())
        lines = [b"%b: %b\r\n" % pair for pair in self.headers]
        object.__setattr__(self, "head", b"".join([*lines, b"\r\n"]))

    def _headers(self) -> list[tuple[bytes, bytes]]:
        own = [
            (b"content-type", self.media_type.encode()),
            (b"content-length", str(len(self.body)).encode()),
            (b"cache-control", self.cache_control.encode()),
            *_SECURITY,
        ]
        if self.status == 200:  # noqa: PLR2004 - OK
            own.append((b"etag", self.etag))
        return own + [(name.encode(), value.encode()) for name, value in self.more_headers.items()]

    async def send(self, scope: Scope, send: Send) -> None:
        """Send it, or 304 to whoever has it already; of HEAD only the headers."""
        status, headers, body = self.status, self.headers, self.body
        if status == 200 and self._is_known(scope):  # noqa: PLR2004 - OK
            status, body = 304, b""
            headers = [pair for pair in headers if pair[0] not in (b"content-length", b"content-type")]
        elif scope["method"] == "HEAD":
            body = b""
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _is_known(self, scope: Scope) -> bool:
        for name, value in scope["headers"]:
            if name == b"if-none-match":
                tags = [tag.strip().removeprefix(b"W/") for tag in value.split(b",")]
                return self.etag in tags or b"*" in tags
        return False


@dataclass(frozen=True, slots=True)
class _Kept:
    answer: Answer
    version: Version
    until: float  # monotonic


class Shelf:
    """Keeps answers, the least asked for go first when they weigh too much together."""

    def __init__(self, max_bytes: int = 8 * 1024 * 1024) -> None:
        self._max_bytes = max_bytes
        self._kept: OrderedDict[Key, _Kept] = OrderedDict()
        self._bytes = 0

    def get(self, key: Key, version: Version, now: float) -> Answer | None:
        """Return the answer to a question, if it is still true."""
        kept = self._kept.get(key)
        if kept is None:
            return None
        if kept.version != version or kept.until < now:
            self._drop(key)
            return None
        self._kept.move_to_end(key)
        return kept.answer

    def put(self, key: Key, answer: Answer, version: Version, until: float) -> None:
        self._drop(key)
        weight = _weight(key, answer)
        if weight > self._max_bytes // 4:
            return
        self._kept[key] = _Kept(answer, version, until)
        self._bytes += weight
        while self._bytes > self._max_bytes:
            self._drop(next(iter(self._kept)))

    def _drop(self, key: Key) -> None:
        kept = self._kept.pop(key, None)
        if kept is not None:
            self._bytes -= _weight(key, kept.answer)


def _weight(key: Key, answer: Answer) -> int:
    return len(answer.body) + len(key[0]) + len(key[1]) + 2000  # the objects around it
