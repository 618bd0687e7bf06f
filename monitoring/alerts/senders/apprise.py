"""Sends to any service Apprise knows, where the optional extra `notify` is installed.

Called by the delivery loop through `Senders`. Apprise's addresses hold passwords, and so may what it logs: neither
leaves this module.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from enum import Enum
from types import ModuleType
from typing import TYPE_CHECKING

from monitoring.alerts.destinations import AppriseUrl
from monitoring.alerts.model import Severity
from monitoring.alerts.render import headline, render_plain
from monitoring.alerts.routing import fingerprint, split_urls
from monitoring.alerts.senders import Message, OnPart, Sender, Sent, ignore_part
from monitoring.alerts.senders.connection import TOTAL_TIMEOUT_S
from monitoring.errors import CredentialsError, SendError

_KIND = {Severity.LOW: "info", Severity.MEDIUM: "warning", Severity.HIGH: "failure", Severity.CRITICAL: "failure"}


class _Verdict(Enum):
    ACCEPTED = "accepted"
    REFUSED = "Apprise could not deliver"
    REMOVED = "the variable no longer holds it"
    MALFORMED = "Apprise does not understand it"


class AppriseSender:
    """Sends by one address at a time; Apprise opens and closes its own connections."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def send(self, message: Message, destination: AppriseUrl, on_part: OnPart = ignore_part) -> Sent:
        """Hand the plain text to Apprise, which tells only whether it worked.

        Raises:
            CredentialsError: the extra is missing.
            SendError: not delivered; for good if the address is malformed or no longer listed.
        """
        if message.parts_sent:
            return Sent()
        verdict = self._notify(message, destination)
        if verdict is not _Verdict.ACCEPTED:
            where = f"Apprise address {destination.fingerprint} of {destination.variable}"
            raise SendError(f"{where}: {verdict.value}", permanent=verdict is not _Verdict.REFUSED)
        on_part(1, 0)
        return Sent()

    def close(self) -> None:
        """There is nothing to let go of."""

    def _notify(self, message: Message, destination: AppriseUrl) -> _Verdict:
        """Deliver. Addresses live in this frame, so nothing may be raised from it once they are read."""
        library = _library()
        listed = split_urls(self._environ.get(destination.variable, ""))
        url = next((url for url in listed if fingerprint(url) == destination.fingerprint), None)
        if url is None:
            return _Verdict.REMOVED
        service = library.Apprise()
        if not service.add(url):
            return _Verdict.MALFORMED
        accepted = service.notify(
            body=render_plain(message.alert, now=message.created_at),
            title=headline(message.alert),
            notify_type=_KIND[message.alert.severity],
            body_format="text",
            timeout=TOTAL_TIMEOUT_S,
        )
        return _Verdict.ACCEPTED if accepted else _Verdict.REFUSED


def _library() -> ModuleType:
    try:
        import apprise as library  # noqa: PLC0415 - an optional extra, and slow to import
    except ImportError:
        raise CredentialsError(
            "NOTIFY_URLS_… needs the optional extra `notify`: run `make sync EXTRAS=notify`"
        ) from None
    for name in ("apprise", "urllib3.connectionpool"):  # they log addresses
        logging.getLogger(name).addFilter(_nothing)
    return library


def _nothing(_record: logging.LogRecord) -> bool:
    return False


if TYPE_CHECKING:
    _: Sender[AppriseUrl] = AppriseSender({})
