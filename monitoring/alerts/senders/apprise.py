"""Sends to any service Apprise knows, where the optional extra `notify` is installed.

Called by the delivery loop through `Senders`. Apprise's addresses hold passwords, and so may what it logs: neither
leaves this module.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from types import ModuleType
from typing import TYPE_CHECKING, Any, Self

from monitoring.alerts.message.model import Severity
from monitoring.alerts.message.render import render_plain
from monitoring.alerts.senders import (
    TIMEOUT_S,
    Destination,
    Message,
    OnPart,
    Peer,
    RouteSettings,
    Sender,
    Sent,
    fingerprint,
    host_key,
    ignore_part,
)  # fmt: skip
from monitoring.base.errors import CredentialsError, RefusedError, SendError
from monitoring.base.http.deadline import call_within
from monitoring.base.http.proxies import proxy_problems
from monitoring.base.http.retry import is_transient

VARIABLES = ("NOTIFY_URLS*",)
PUBLIC = ()

_BETWEEN_URLS = re.compile(r"[\s,]+(?=[A-Za-z][A-Za-z0-9+.-]*://)")  # a comma inside an Apprise URL stays
_STATUS = re.compile(r"error=(\d{3})\b")
_KIND = {Severity.LOW: "info", Severity.MEDIUM: "warning", Severity.HIGH: "failure", Severity.CRITICAL: "failure"}


@dataclass(frozen=True, slots=True)
class AppriseUrl(Destination):
    """One of the addresses in a `NOTIFY_URLS_…` variable, identified by a fingerprint."""

    variable: str
    fingerprint: str
    missing: tuple[str, ...] = ()

    kind = "apprise"

    @classmethod
    def find(cls, channel: str, settings: RouteSettings, *, operational: bool = False) -> Sequence[Self]:  # noqa: ARG003 - people read both
        variable = f"NOTIFY_URLS_{channel}"
        marks = map(fingerprint, split_urls(settings.text(variable)))
        return [cls(variable, mark) for mark in dict.fromkeys(marks)]

    def __str__(self) -> str:
        return f"apprise urls={self.variable} fingerprint={self.fingerprint}"

    def describe(self) -> str:
        return f"Apprise address {self.fingerprint} of {self.variable}"

    def peer(self, settings: RouteSettings) -> Peer:
        listed = split_urls(settings.text(self.variable))
        url = next((url for url in listed if fingerprint(url) == self.fingerprint), "")
        return Peer(self.kind, str(self), host_key(url), self.fingerprint, "host")

    def open(self, environ: Mapping[str, str]) -> Sender[Any]:
        return AppriseSender(environ)


DESTINATION = AppriseUrl


def split_urls(value: str) -> list[str]:
    """Split a `NOTIFY_URLS_…` variable at white space and commas, but not inside an address."""
    return [url.strip(" \t\r\n,") for url in _BETWEEN_URLS.split(value) if url.strip(" \t\r\n,")]


class _Verdict(Enum):
    ACCEPTED = "accepted"
    FAILED = "Apprise could not deliver"
    REFUSED = "the service refused"
    BROKEN = "Apprise failed in itself"
    LATE = f"no answer within {TIMEOUT_S:g} s"
    REMOVED = "the variable no longer holds it"
    MALFORMED = "Apprise does not understand it"


_REFUSALS = (_Verdict.REFUSED, _Verdict.REMOVED, _Verdict.MALFORMED)


class AppriseSender:
    """Sends by one address at a time; Apprise opens and closes its own connections."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def send(self, message: Message, destination: AppriseUrl, on_part: OnPart = ignore_part) -> Sent:
        """Hand the plain text to Apprise, which reports only success or failure.

        Raises:
            CredentialsError: the extra is missing.
            RefusedError: the service said no, the address is malformed or no longer listed.
            SendError: not delivered.
        """
        if message.parts_sent:
            return Sent()
        if problems := proxy_problems(self._environ):  # Apprise would only say that it could not deliver
            raise SendError(f"Apprise address {destination.fingerprint} of {destination.variable}: {problems[0]}")
        library = _library()
        ended = call_within(TIMEOUT_S, lambda: self._notify(library, message, destination))
        verdict, status = ended or (_Verdict.LATE, 0)
        if verdict is not _Verdict.ACCEPTED:
            redirects = ", a redirect: set the address it leads to" if 300 <= status < 400 else ""  # noqa: PLR2004 - HTTP's
            said = f" (HTTP {status}{redirects})" if status else ""
            why = f"Apprise address {destination.fingerprint} of {destination.variable}: {verdict.value}{said}"
            raise RefusedError(why) if verdict in _REFUSALS else SendError(why, unanswered=not status)
        on_part(1, ())
        return Sent()

    def close(self) -> None:
        """There is nothing to let go of."""

    def _notify(self, library: ModuleType, message: Message, destination: AppriseUrl) -> tuple[_Verdict, int]:
        """Deliver. The address lives in this frame and in Apprise's, so nothing may be raised from here."""
        listed = split_urls(self._environ.get(destination.variable, ""))
        url = next((url for url in listed if fingerprint(url) == destination.fingerprint), None)
        if url is None:
            return _Verdict.REMOVED, 0
        # A service gets the first line once: as its title, or of an alert that is one line, as the text it insists on.
        title, _, rest = render_plain(message.shown, now=message.created_at).partition("\n")
        try:
            # A redirect that is followed loses the body of a POST, and what is left of it is accepted.
            service = library.Apprise(asset=library.AppriseAsset(http_redirects=False))
            if not service.add(url):
                return _Verdict.MALFORMED, 0
            result = service.notify(
                body=rest or title,
                title=title if rest else "",
                notify_type=_KIND[message.alert.severity],
                body_format="text",
                timeout=TIMEOUT_S,
            )
            status = _status_in(str(entry.message) for entry in result.logs())
        except Exception:  # noqa: BLE001 - plugins raise anything, with the address in it
            return _Verdict.BROKEN, 0
        if result:
            return _Verdict.ACCEPTED, status
        refused = status >= 300 and not is_transient(status)  # noqa: PLR2004 - HTTP's own number
        return (_Verdict.REFUSED if refused else _Verdict.FAILED), status


def _status_in(logged: Iterable[str]) -> int:
    """Return the HTTP status in what Apprise logged of a failure, the one thing it says of it; 0 if there is none."""
    found = [match for text in logged if (match := _STATUS.search(text))]
    return int(found[-1][1]) if found else 0


def _library() -> ModuleType:
    try:
        import apprise as library  # noqa: PLC0415 - an optional extra, and slow to import
    except ImportError:
        raise CredentialsError(
            "NOTIFY_URLS_… needs the optional extra `notify`: run `make sync EXTRAS=notify`"
        ) from None
    for name in ("apprise", "urllib3.connectionpool"):  # they log addresses
        logger = logging.getLogger(name)
        logger.propagate = False
        logger.addHandler(logging.NullHandler())
    return library


if TYPE_CHECKING:
    _: Sender[AppriseUrl] = AppriseSender({})
