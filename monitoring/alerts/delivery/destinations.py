"""Where an alert can go, named without secrets: chat ids and the names of variables, never what is in them.

Written into delivery rows as text, read back by the delivery loop, understood by the senders.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from monitoring.alerts.message.model import Severity


@dataclass(frozen=True, slots=True)
class TelegramChat:
    """A chat, maybe one topic of it, and the variable that holds the bot's token.

    Without a chat id it stands for a delivery that waits for credentials. `labelled` puts `[protocol]` before the text.
    """

    chat_id: str
    token_variable: str
    thread_id: int | None = None
    labelled: bool = False
    missing: tuple[str, ...] = ()

    least = Severity.LOW
    kind = "telegram"

    def __str__(self) -> str:
        thread = "" if self.thread_id is None else f" thread={self.thread_id}"
        return f"telegram chat={self.chat_id} bot={self.token_variable}{thread}{' labelled=1' if self.labelled else ''}"


@dataclass(frozen=True, slots=True)
class Webhook:
    """A machine that must act: the variables of its address and of the secret that signs."""

    url_variable: str
    missing: tuple[str, ...] = ()

    least = Severity.HIGH
    kind = "webhook"

    def __str__(self) -> str:
        return f"webhook url={self.url_variable}"


@dataclass(frozen=True, slots=True)
class AppriseUrl:
    """One of the addresses in a `NOTIFY_URLS_…` variable, told from the others by a fingerprint."""

    variable: str
    fingerprint: str
    missing: tuple[str, ...] = ()

    least = Severity.LOW
    kind = "apprise"

    def __str__(self) -> str:
        return f"apprise urls={self.variable} fingerprint={self.fingerprint}"


@dataclass(frozen=True, slots=True)
class Console:
    """The terminal of `up` and of demos."""

    missing: tuple[str, ...] = ()

    least = Severity.LOW
    kind = "console"

    def __str__(self) -> str:
        return "console"


Destination: TypeAlias = TelegramChat | Webhook | AppriseUrl | Console


def destination_from_text(text: str) -> Destination:
    """Read what `str(destination)` wrote; what was missing then is not remembered.

    Raises:
        ValueError: the text names no destination.
    """
    kind, *pairs = text.split(" ")
    try:
        return _read(kind, dict(pair.split("=", 1) for pair in pairs))
    except (KeyError, ValueError):
        raise ValueError(f"{text!r} is not a destination") from None


def _read(kind: str, fields: Mapping[str, str]) -> Destination:
    if kind == "telegram":
        thread_id = int(fields["thread"]) if "thread" in fields else None
        return TelegramChat(fields["chat"], fields["bot"], thread_id, labelled="labelled" in fields)
    if kind == "webhook":
        return Webhook(fields["url"])
    if kind == "apprise":
        return AppriseUrl(fields["urls"], fields["fingerprint"])
    if kind == "console":
        return Console()
    raise KeyError(kind)
