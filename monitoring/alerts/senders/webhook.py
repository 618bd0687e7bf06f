"""Posts alerts whose check asks for it to machines that act on them, signed, independent of any chat.

Called by the delivery loop through `Senders`. The body depends on the alert alone, so that a retry sends the same
bytes under the same idempotency key; nothing is ever sent unsigned.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from monitoring.alerts.message.model import Severity
from monitoring.alerts.message.render import render_plain
from monitoring.alerts.message.text import is_web_address
from monitoring.alerts.senders import (
    HEADERS,
    MAX_ANSWER_BYTES,
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
from monitoring.base.clock import to_text
from monitoring.base.errors import CredentialsError, RefusedError, SendError
from monitoring.base.http.client import Answer, Failure, HttpClient, Request
from monitoring.base.http.retry import is_transient
from monitoring.base.http.words import WEB_PAGE, redirect_words

VARIABLES = ("WEBHOOK_*", "LIQUIDITY_WEBHOOK_*")
PUBLIC = ()

SECRET = "WEBHOOK_SECRET"  # noqa: S105 - a variable's name
FORMAT = "WEBHOOK_FORMAT"
# The body of the emergency hook of the replaced system, and the variables that it was called by.
EMERGENCY = "emergency_withdrawal"
OLD_URL, OLD_SECRET = "LIQUIDITY_WEBHOOK_URL", "LIQUIDITY_WEBHOOK_SECRET"
_FORMATS = ("", "alert", EMERGENCY)
SIGNATURE_HEADER = "X-Hub-Signature-256"
TIMESTAMP_HEADER = "X-Webhook-Timestamp"
IDEMPOTENCY_HEADER = "Idempotency-Key"
_PEEK_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Webhook(Destination):
    """A machine that must act: the variables of its address and of the secret that signs.

    `is_emergency`: it gets the body of the replaced system's emergency hook.
    """

    url_variable: str
    missing: tuple[str, ...] = ()
    secret_variable: str = SECRET
    is_emergency: bool = False

    kind = "webhook"
    least = Severity.HIGH
    for_machines = True
    reaches_people = False
    of_every_alert = True

    @classmethod
    def find(cls, channel: str, settings: RouteSettings, *, operational: bool) -> Sequence[Self]:
        """A webhook of a protocol acts on funds, so it hears nothing of our own errors: only that of ERRORS does.

        The old variables count only where their format is chosen: no update starts to call a machine by itself.
        """
        variable, chosen = f"WEBHOOK_URL_{'ERRORS' if operational else channel}", settings.text(FORMAT)
        is_emergency = chosen == EMERGENCY and not operational
        if not settings.text(variable) and is_emergency:
            variable = OLD_URL
        if not settings.text(variable):
            return []
        if chosen not in _FORMATS:
            settings.note(f"{FORMAT} is neither alert nor {EMERGENCY}: alert is used")
        secret = OLD_SECRET if is_emergency and settings.text(OLD_SECRET) else SECRET
        return [cls(variable, () if settings.text(secret) else (secret,), secret, is_emergency)]

    def __str__(self) -> str:
        return f"webhook url={self.url_variable}"

    def describe(self) -> str:
        body = f", in the format {EMERGENCY}" if self.is_emergency else ""
        return (
            f"webhook {self.url_variable} signed with {self.secret_variable}, HIGH and CRITICAL of checks with "
            f"machine: true only{body}"
        )

    def peer(self, settings: RouteSettings) -> Peer:
        url = settings.text(self.url_variable)
        mark = fingerprint(f"{url} {settings.text(self.secret_variable)}")
        return Peer(self.kind, str(self), host_key(url), mark, "host")

    def open(self, environ: Mapping[str, str]) -> Sender[Any]:
        return WebhookSender(environ)


DESTINATION = Webhook


def body_of(message: Message, *, is_emergency: bool = False) -> bytes:
    """Return the exact bytes that are signed and sent, one JSON object; `link` only when there is one."""
    alert = message.alert
    if is_emergency:
        shown = render_plain(alert, now=message.created_at)
        payload = {"protocol": alert.protocol, "severity": alert.severity.name, "message": shown}
        return json.dumps({"event_type": EMERGENCY, "client_payload": payload}, ensure_ascii=False).encode()
    fields = {
        "event_type": message.event_type,
        "id": message.id,
        "created_at": to_text(message.created_at),
        "protocol": alert.protocol,
        "channel": alert.channel or alert.protocol,
        "severity": alert.severity.name,
        "title": alert.title,
        "message": render_plain(alert, now=message.created_at),
        "key": alert.key,
        "condition": message.condition,
        "level": message.level or alert.severity.name,
    }
    return json.dumps(fields | ({"link": message.link} if message.link else {}), ensure_ascii=False).encode()


def signature_of(body: bytes, secret: str) -> str:
    """Return the value of the signature header: HMAC-SHA256 over the exact bytes of the body."""
    return "sha256=" + hmac.new(os.fsencode(secret), body, hashlib.sha256).hexdigest()


def idempotency_key_of(message: Message) -> str:
    """Return what stays the same for every attempt; with the time, because a new database counts from 1 again."""
    return f"alert-{message.id}-{to_text(message.created_at)}"


class WebhookSender:
    """Sends over one connection."""

    def __init__(
        self,
        environ: Mapping[str, str],
        timeout_s: float = TIMEOUT_S,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self._environ = environ
        self._now_s = now_s
        self._timeout_s = timeout_s
        self._http = HttpClient(environ, max_bytes=MAX_ANSWER_BYTES)

    def send(self, message: Message, destination: Webhook, on_part: OnPart = ignore_part) -> Sent:
        """Post once. 2xx is accepted; 408, 425, 429, 5xx and a broken connection are worth another try soon.

        Raises:
            RefusedError: any other answer. A web page with 200 is one: a machine that acts does not answer with it, but
                what stands before a machine under maintenance does.
        """
        if message.parts_sent:
            return Sent()
        outcome = self._post(message, destination)
        where = f"webhook {destination.url_variable}"
        if isinstance(outcome, Failure):
            raise SendError(f"{where}: {outcome.what}", unanswered=True)
        if is_transient(outcome.status):
            raise SendError(f"{where}: HTTP {outcome.status}", retry_after_s=outcome.retry_after_s)
        if not 200 <= outcome.status < 300:  # noqa: PLR2004 - HTTP's own numbers
            raise RefusedError(f"{where}: HTTP {outcome.status}{redirect_words(outcome.status, outcome.headers)}")
        if WEB_PAGE.match(outcome.body[:_PEEK_BYTES]):
            raise RefusedError(
                f"{where}: HTTP {outcome.status} with a web page (HTML), so this is not the address of a receiver"
            )
        on_part(1, ())
        return Sent()

    def close(self) -> None:
        self._http.close()

    def _post(self, message: Message, destination: Webhook) -> Answer | Failure:
        """Sign and post. Secrets live in these frames, so nothing may be raised from them once they are read."""
        request = self.request(message, destination)
        return request if isinstance(request, Failure) else self._http.exchange(request, self._timeout_s)

    def request(self, message: Message, destination: Webhook) -> Request | Failure:
        """Return what is sent, signed; its URL holds a secret.

        Raises:
            CredentialsError: a variable is not set.
        """
        url, secret = self._variable(destination.url_variable), self._variable(destination.secret_variable)
        if not is_web_address(url):
            return Failure("the variable holds no http or https address; correct it")
        body = body_of(message, is_emergency=destination.is_emergency)
        headers = {
            **HEADERS,
            SIGNATURE_HEADER: signature_of(body, secret),
            TIMESTAMP_HEADER: str(int(self._now_s())),
            IDEMPOTENCY_HEADER: idempotency_key_of(message),
        }
        return Request(url, "POST", headers, body)

    def _variable(self, name: str) -> str:
        value = self._environ.get(name, "").strip()
        if not value:
            raise CredentialsError(f"webhook: {name} is not set; the alert goes out once it is")
        return value


if TYPE_CHECKING:
    _: Sender[Webhook] = WebhookSender({})
