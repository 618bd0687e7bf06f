"""Pings a watcher outside this host about a profile's runs: the last link of a watch.

Never delays a run beyond its limit and never fails one. The address is a secret, so no error of the HTTP client is
ever quoted: it would contain it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from automation.runner.ping_address import PingAddress
from monitoring.base.errors import UsageError
from monitoring.base.http.retry import Backoff, is_transient

if TYPE_CHECKING:
    from monitoring.base.http.client import HttpClient

log = logging.getLogger("automation.runner.heartbeat")

_TIMEOUT_S = 10.0
# What all pings together may hold up the end of a run by.
_LIMIT_S = 15.0
_PAUSES_S = tuple(map(Backoff(1.0).delay_s, (1, 2)))


def fault_of(environ: Mapping[str, str], variable: str) -> str | None:
    """Say why the address in a variable cannot be pinged, naming the variable and never the address."""
    text = environ.get(variable, "").strip()
    if not text:
        return f"{variable} is not set"
    try:
        PingAddress.parse(text)
    except UsageError as error:
        return f"{variable} cannot be used: {error}"
    return None


class Heartbeat:
    """The pings of one run of one profile; without an address every ping does nothing."""

    def __init__(
        self,
        environ: Mapping[str, str],
        variable: str | None,
        *,
        timeout_s: float = _TIMEOUT_S,
        limit_s: float = _LIMIT_S,
        pauses_s: tuple[float, ...] = _PAUSES_S,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        fault = fault_of(environ, variable) if variable else None
        if fault:
            log.warning("heartbeat_env of this profile: %s; nobody outside this host is informed of this run", fault)
        self._address = PingAddress.parse(environ[variable].strip()) if variable and not fault else None
        self._line = _PingQueue(environ, timeout_s, pauses_s)
        self._limit_s = limit_s
        self._run = _new_uuid() if self._address else ""
        self._monotonic = monotonic
        self._started_at = monotonic()

    def started(self) -> None:
        """Ping the start while the run goes on."""
        self._started_at = self._monotonic()
        if self._address and (url := self._address.of_start(self._run)):
            self._line.put(url)

    def ended(self, exit_code: int) -> None:
        """Ping success, or the exit code; returns within the limit."""
        if self._address is None:
            return
        took = self._took_ms()
        url = self._address.of_exit(exit_code, self._run, took) if exit_code else None
        self._last(url or self._address.of_success(self._run, took))

    def failed(self, why: str) -> None:
        """Ping a failure of this host, whatever the tasks said; `why` must hold no secret."""
        if self._address is not None:
            self._last(self._address.of_failure(why, self._run, self._took_ms()))

    def _last(self, url: str) -> None:
        self._line.put(url)
        if not self._line.wait_until_empty(self._limit_s):
            log.warning("heartbeat: not accepted within %.0f s", self._limit_s)

    def _took_ms(self) -> int:
        return int((self._monotonic() - self._started_at) * 1000)


def _new_uuid() -> str:
    """Return what a watcher knows a run by (RFC 9562)."""
    import uuid  # noqa: PLC0415 - as for the client

    return str(uuid.uuid4())


class _PingQueue:
    """Sends one ping after the other, so that they arrive in the order of what they report.

    A ping is tried again after a failure that may pass, unless a newer one waits behind it.
    """

    def __init__(self, environ: Mapping[str, str], timeout_s: float, pauses_s: tuple[float, ...]) -> None:
        self._timeout_s = timeout_s
        self._pauses_s = pauses_s
        self._environ = environ
        self._changed = threading.Condition()
        self._urls: deque[str] = deque()
        self._is_sending = False

    def put(self, url: str) -> None:
        with self._changed:
            self._urls.append(url)
            self._changed.notify_all()
            if not self._is_sending:
                self._is_sending = True
                threading.Thread(target=self._send_all, name="heartbeat", daemon=True).start()

    def wait_until_empty(self, limit_s: float) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: not self._is_sending, limit_s)

    @cached_property
    def _http(self) -> HttpClient:
        """Made by the first ping: most profiles have no watcher, and no first line of a task waits for a client."""
        from monitoring.base.http.client import HttpClient  # noqa: PLC0415 - as above

        return HttpClient(self._environ, max_bytes=0)  # a body may be endless, and says nothing

    def _send_all(self) -> None:
        while True:
            with self._changed:
                if not self._urls:
                    self._is_sending = False
                    self._changed.notify_all()
                    return
                url = self._urls.popleft()
            self._send(url)

    def _send(self, url: str) -> None:
        for pause_s in (*self._pauses_s, None):
            fault, may_pass = self._ask(url)
            if fault is None:
                return
            if pause_s is None or not may_pass or self._a_newer_one_waits(pause_s):
                log.warning("heartbeat: %s", fault)
                return

    def _ask(self, url: str) -> tuple[str | None, bool]:
        """Ping once; return what went wrong, and whether it may pass by itself."""
        from monitoring.base.http.client import Failure, Request  # noqa: PLC0415 - as above

        try:
            found = self._http.exchange(Request(url), self._timeout_s)
        except Exception as error:  # noqa: BLE001 - the border of the watch: whatever happens here, the run goes on
            return f"not pinged: {type(error).__name__}", True
        if isinstance(found, Failure):
            return f"not pinged: {found.what}", True
        fine = 200 <= found.status < 300  # noqa: PLR2004 - success
        return None if fine else f"the watcher answered {found.status}", is_transient(found.status)

    def _a_newer_one_waits(self, pause_s: float) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: bool(self._urls), pause_s)
