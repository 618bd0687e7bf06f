"""Hands each message to the sender of its destination's kind. The delivery loop holds one `Senders` and closes it.

A sender's module is imported with its first message: an HTTP client takes longer to load than most runs take.
"""

# ruff: noqa: PLC0415

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any, Self, TextIO

from monitoring.alerts.delivery.destinations import AppriseUrl, Console, Destination, TelegramChat, Webhook
from monitoring.alerts.senders import Message, OnPart, Sender, Sent, ignore_part


def load_senders() -> None:
    """Import them now: who delivers on after letting go of the tree must not meet those of another revision."""
    from monitoring.alerts.senders.telegram import sender as telegram  # noqa: F401


class Senders:
    """Opens a sender when it is first needed; the environment holds the secrets that destinations only name."""

    def __init__(self, environ: Mapping[str, str], console: TextIO | None = None) -> None:
        self._environ = environ
        self._console = console
        self._open: dict[str, Sender[Any]] = {}
        self._closing = ExitStack()

    def send(self, message: Message, destination: Destination, on_part: OnPart = ignore_part) -> Sent:
        """Deliver what is left of a message; see `Sender.send` for what is raised."""
        if destination.kind not in self._open:
            sender = self._made(destination)
            self._closing.callback(sender.close)
            self._open[destination.kind] = sender
        return self._open[destination.kind].send(message, destination, on_part)

    def close(self) -> None:
        """Let go of all connections."""
        self._closing.close()
        self._open.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def _made(self, destination: Destination) -> Sender[Any]:
        match destination:
            case TelegramChat():
                from monitoring.alerts.senders.telegram.sender import TelegramSender

                return TelegramSender(self._environ)
            case Webhook():
                from monitoring.alerts.senders.webhook import WebhookSender

                return WebhookSender(self._environ)
            case AppriseUrl():
                from monitoring.alerts.senders.apprise import AppriseSender

                return AppriseSender(self._environ)
            case Console():
                from monitoring.alerts.senders.console import ConsoleSender

                return ConsoleSender(self._console or sys.stdout)
