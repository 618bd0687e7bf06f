"""What the machine of a channel would get: the whole signed request, made as for a real alert. Nothing is sent.

Called by the verb `drill --webhook`. Of the address only the host is shown: its path may be a secret.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from monitoring.alerts.delivery.routes import plan
from monitoring.alerts.message.model import Alert, Severity
from monitoring.alerts.senders import Message, RouteReason
from monitoring.alerts.senders.webhook import EMERGENCY, FORMAT, OLD_URL, Webhook, WebhookSender
from monitoring.base.clock import Clock
from monitoring.base.http.client import Failure

_HELD_BACK = (RouteReason.DEBUG, RouteReason.TEST_CHAT)


@dataclass(frozen=True, slots=True)
class WebhookRequest:
    """The request, and why it would not be sent, if so."""

    channel: str
    variable: str = ""
    host: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""
    why_not: str = ""

    @property
    def would_be_sent(self) -> bool:
        return not self.why_not

    def as_lines(self) -> list[str]:
        """Return what a person reads."""
        if not self.host:
            return [f"channel {self.channel}: no machine is called: {self.why_not}"]
        first = f"channel {self.channel}: POST to {self.host}, the address in {self.variable}"
        end = f"Nothing was sent; a real alert would not be either: {self.why_not}" if self.why_not else (
            "Nothing was sent. HIGH and CRITICAL alerts of checks with machine: true are sent like this."
        )  # fmt: skip
        return [first, *(f"{name}: {value}" for name, value in self.headers.items()), "", self.body, "", end]

    def as_data(self) -> dict[str, Any]:
        """Return what `--json` prints."""
        return {
            "channel": self.channel, "variable": self.variable or None, "host": self.host or None,
            "headers": dict(self.headers), "body": self.body or None, "sent": False, "why_not": self.why_not or None,
        }  # fmt: skip


def webhook_request(channel: str, environ: Mapping[str, str], clock: Clock) -> WebhookRequest:
    """Make the request of an example alert of a channel; signed with the secret of this environment."""
    route = plan(channel, channel, "protocol", {**environ, "LOG_LEVEL": "INFO", "TELEGRAM_TEST_CHAT_ID": ""})
    held_back = plan(channel, channel, "protocol", environ).route
    found = next((each for each in route.destinations if isinstance(each, Webhook)), None)
    if found is None:
        old = f", or {FORMAT}={EMERGENCY} for {OLD_URL}" if environ.get(OLD_URL) else ""
        return WebhookRequest(route.channel, why_not=f"set WEBHOOK_URL_{route.channel}{old}")
    if found.missing:
        return WebhookRequest(route.channel, found.url_variable, why_not=f"set {' and '.join(found.missing)}")
    sender = WebhookSender(environ, now_s=lambda: clock.now().timestamp())
    try:
        request = sender.request(_example(channel, clock), found)
    finally:
        sender.close()
    if isinstance(request, Failure):
        return WebhookRequest(route.channel, found.url_variable, why_not=f"{found.url_variable}: {request.what}")
    host = urlsplit(request.url).netloc.rpartition("@")[2]
    why_not = held_back.value if held_back in _HELD_BACK else ""
    body = (request.body or b"").decode()
    return WebhookRequest(route.channel, found.url_variable, host, request.headers, body, why_not)


def _example(channel: str, clock: Clock) -> Message:
    alert = Alert(
        Severity.CRITICAL, "EXAMPLE: a check of this channel fires", "What it read, and its limit, are here.",
        protocol=channel, key="example", machine=True,
    )  # fmt: skip
    return Message(0, clock.now(), alert, condition=f"{channel}: example")
