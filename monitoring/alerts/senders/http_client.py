"""One HTTP connection with a deadline for the whole exchange; failures come back as values without the address in them.

Called by the senders whose addresses hold secrets. Nothing is raised from inside the client: its exceptions carry the
request, and with it the token.
"""

from __future__ import annotations

import logging
import re
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx2

from monitoring.alerts.senders.deadline import call_within

CONNECT_TIMEOUT_S = 5.0
TOTAL_TIMEOUT_S = 15.0
MAX_ANSWER_BYTES = 1_000_000
_TLS_REASON = re.compile(r"\[SSL: (\w+)\]")


@dataclass(frozen=True, slots=True)
class Answer:
    """What the far side said; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there is no answer, in words that name no address."""

    reason: str


class Connection:
    """Posts over one reused connection and follows no redirects; used by one thread at a time."""

    def __init__(self, connect_timeout_s: float = CONNECT_TIMEOUT_S, total_timeout_s: float = TOTAL_TIMEOUT_S) -> None:
        _silence_the_client()
        self._connect_timeout_s = connect_timeout_s
        self._total_timeout_s = total_timeout_s
        self._client = self._new_client()

    def close(self) -> None:
        self._client.close()

    def _new_client(self) -> httpx2.Client:
        return httpx2.Client(
            timeout=httpx2.Timeout(self._total_timeout_s, connect=self._connect_timeout_s),
            limits=httpx2.Limits(max_connections=1, keepalive_expiry=60),
            headers={"User-Agent": "monitoring", "Accept-Encoding": "identity"},
        )

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer | Failure:
        """Post a body and read the whole answer, or say why there is none, within the time limit."""
        exchange = _Exchange(self._client)
        outcome = call_within(self._total_timeout_s, lambda: exchange.post(url, body, headers), exchange.cut)
        if outcome is None:
            # Somewhere in the client a thread still waits, for a name to be resolved: it keeps the client it has.
            self._client = self._new_client()
        if outcome is None or (exchange.is_cut and isinstance(outcome, Failure)):
            return Failure(f"no complete answer within {self._total_timeout_s:g} s")
        return outcome


class _Exchange:
    """One request and its answer, which can be cut off from another thread."""

    def __init__(self, client: httpx2.Client) -> None:
        self._client = client
        self._socket: socket.socket | None = None
        self.is_cut = False

    def cut(self) -> None:
        """End it now: the client's own limits hold for each read, and a drip never ends."""
        self.is_cut = True
        if self._socket is not None:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer | Failure:
        extensions = {"trace": self._remember_socket}
        try:
            with self._client.stream("POST", url, content=body, headers=headers, extensions=extensions) as response:
                return Answer(response.status_code, dict(response.headers), _read(response))
        except httpx2.TimeoutException as error:
            return Failure(
                "cannot connect in time" if isinstance(error, httpx2.ConnectTimeout) else "no answer in time"
            )
        except httpx2.ConnectError as error:
            return Failure(f"cannot connect: {_without_host(error)}")
        except httpx2.TransportError as error:
            return Failure(f"the connection broke off ({type(error).__name__})")
        except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError, OSError, ValueError) as error:
            return Failure(f"the request could not be made ({type(error).__name__})")

    def _remember_socket(self, event: str, info: Mapping[str, Any]) -> None:
        if event.endswith(("connect_tcp.complete", "start_tls.complete")):
            self._socket = info["return_value"].get_extra_info("socket")
            if self.is_cut:  # it was given up while its name was resolved: nothing may be sent any more
                self.cut()


def redirect_of(answer: Answer) -> str:
    """Return where an answer redirects to, in words: the host alone, since the rest may be a key."""
    target = answer.headers.get("location", "").strip()
    if not 300 <= answer.status < 400 or not target:  # noqa: PLR2004 - HTTP's own numbers
        return ""
    try:
        parts = urlsplit(target)
    except ValueError:
        return ", redirects to no address"
    host = parts.netloc.rpartition("@")[2]
    where = f"{parts.scheme or 'http'}://{host}/…" if host else "another path of the same host"
    return f", redirects to {where}: set the address it leads to"


def retry_after_header(headers: Mapping[str, str]) -> float | None:
    """Return the seconds of a `Retry-After` header (the form with a date is rare and left alone)."""
    value = headers.get("retry-after", "").strip()
    return float(value) if value.isascii() and value.isdigit() and len(value) < 10 else None  # noqa: PLR2004 - 30 years


def _read(response: httpx2.Response) -> bytes:
    body = b""
    for block in response.iter_raw():
        body += block
        if len(body) > MAX_ANSWER_BYTES:
            raise ValueError("an answer without end")
    return body


def _without_host(error: Exception) -> str:
    """Return the system's own words; those of TLS quote the host name, so only their reason is kept."""
    text = str(error)
    reason = _TLS_REASON.search(text)
    return f"TLS {reason[1]}" if reason else text


def _no_chatter(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.WARNING


def _silence_the_client() -> None:
    """Keep the client from logging whole addresses, whatever level somebody sets later."""
    logging.getLogger("httpx2").addFilter(_no_chatter)
