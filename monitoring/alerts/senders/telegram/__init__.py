"""Telegram: a channel's way to a chat or topic, text with entities and never a parse mode, what its answers mean.

Tests: tests/unit/test_alert_routing.py, tests/contract/test_telegram_sender.py, tests/unit/test_alert_telegram_text.py.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from monitoring.alerts.senders import Destination, Message, Peer, RouteReason, RouteSettings, Sender, fingerprint
from monitoring.alerts.senders.limits import RateLimit, RateLimits
from monitoring.base.settings import TEST_CHAT

VARIABLES = ("TELEGRAM_*",)
PUBLIC = ("TELEGRAM_CHAT_ID_*", "TELEGRAM_TOPIC_ID_*", "TELEGRAM_TEST_CHAT_ID", "TELEGRAM_API_URL")

TOPICS_CHAT = "TELEGRAM_CHAT_ID_TOPICS"
DEFAULT_CHAT = "TELEGRAM_CHAT_ID_DEFAULT"
DEFAULT_TOKEN = "TELEGRAM_BOT_TOKEN_DEFAULT"  # noqa: S105 - a variable's name
API_URL = "TELEGRAM_API_URL"
_CHAT_ID = re.compile(r"-?\d{1,20}|@[A-Za-z][A-Za-z0-9_]{3,31}", re.ASCII)
_TOPIC_ID = re.compile(r"[1-9]\d{0,17}", re.ASCII)


@dataclass(frozen=True, slots=True)
class TelegramChat(Destination):
    """A chat, maybe one topic of it, and the variable that holds the bot's token.

    Without a chat id it stands for a delivery that waits for credentials. `labelled` puts `[protocol]` before the text.
    """

    chat_id: str
    token_variable: str
    thread_id: int | None = None
    labelled: bool = False
    missing: tuple[str, ...] = ()

    kind = "telegram"
    of_every_alert = True
    opens_with = ("monitoring.alerts.senders.telegram.sender",)

    @classmethod
    def find(cls, channel: str, settings: RouteSettings, *, operational: bool = False) -> Sequence[Self]:  # noqa: ARG003 - a chat is for both
        """Return the one chat or topic of a channel."""
        return [cls.route(channel, settings)[1]]

    @classmethod
    def route(cls, channel: str, settings: RouteSettings) -> tuple[RouteReason, Self]:
        """Return rule 2, 3 or 4: the channel's topic, its chat, the default chat."""
        topic_id, own_token = _topic_id(channel, settings), f"TELEGRAM_BOT_TOKEN_{channel}"
        if topic_id is not None and _chat_id(TOPICS_CHAT, settings):
            chat = cls.by_variables(settings, TOPICS_CHAT, DEFAULT_TOKEN, thread_id=topic_id)
            return RouteReason.TOPIC, chat
        if topic_id is not None:
            settings.note(f"TELEGRAM_TOPIC_ID_{channel} is set but {TOPICS_CHAT} is not: the topic is not used")
        own_chat = f"TELEGRAM_CHAT_ID_{channel}"
        if _chat_id(own_chat, settings):
            token = own_token if settings.text(own_token) else DEFAULT_TOKEN
            return RouteReason.CHANNEL_CHAT, cls.by_variables(settings, own_chat, token)
        return RouteReason.DEFAULT_CHAT, cls.by_variables(settings, DEFAULT_CHAT, DEFAULT_TOKEN)

    @classmethod
    def test_chat(cls, settings: RouteSettings) -> Self:
        """Return the one chat of rule 1."""
        return cls.by_variables(settings, TEST_CHAT, DEFAULT_TOKEN, labelled=True)

    @classmethod
    def by_variables(
        cls, settings: RouteSettings, chat: str, token: str, *, thread_id: int | None = None, labelled: bool = False
    ) -> Self:
        chat_id = _chat_id(chat, settings)
        absent = (chat, not chat_id), (token, not settings.text(token))
        return cls(chat_id, token, thread_id, labelled, tuple(name for name, is_absent in absent if is_absent))

    def __str__(self) -> str:
        thread = "" if self.thread_id is None else f" thread={self.thread_id}"
        return f"telegram chat={self.chat_id} bot={self.token_variable}{thread}{' labelled=1' if self.labelled else ''}"

    def describe(self) -> str:
        topic = "" if self.thread_id is None else f", topic {self.thread_id}"
        label = ", with [protocol] before each text" if self.labelled else ""
        return f"Telegram chat {self.chat_id or '(none)'}{topic} by {self.token_variable}{label}"

    def peer(self, settings: RouteSettings) -> Peer:
        token = settings.text(self.token_variable)
        bot_id, colon, _ = token.partition(":")
        bot = bot_id if colon and bot_id.isdigit() else self.token_variable
        mark = fingerprint(f"{token} {settings.text(API_URL)}")
        return Peer(self.kind, f"telegram:{bot}:{self.chat_id}", f"bot:{bot}", mark, "token")

    def limits(self, limits: RateLimits, rank: int) -> tuple[RateLimit, ...]:
        return limits.of_chat(self.chat_id, rank)

    def low_budget(self, limits: RateLimits, sent: Sequence[float], now: float) -> int:
        return max(1, limits.low_budget(self.chat_id, sent, now))

    def parts(self, message: Message) -> int:
        from monitoring.alerts.senders.telegram.text import render_telegram  # noqa: PLC0415 - for those who send alone

        label = message.alert.protocol if self.labelled else ""
        return len(render_telegram(message.shown, now=message.created_at, label=label).parts)

    def open(self, environ: Mapping[str, str]) -> Sender[Any]:
        from monitoring.alerts.senders.telegram.sender import TelegramSender  # noqa: PLC0415 - pydantic is heavy

        return TelegramSender(environ)


DESTINATION = TelegramChat


def has_route(channel: str, settings: RouteSettings) -> bool:
    """Return whether a channel has a chat or a topic of its own."""
    in_topic = _topic_id(channel, settings) is not None and bool(_chat_id(TOPICS_CHAT, settings))
    return in_topic or bool(_chat_id(f"TELEGRAM_CHAT_ID_{channel}", settings))


def is_used(settings: RouteSettings) -> bool:
    """Return whether anything of Telegram is set up at all."""
    return any(name.startswith("TELEGRAM_") and value.strip() for name, value in settings.environ.items())


def _chat_id(name: str, settings: RouteSettings) -> str:
    return _valid(name, settings, _CHAT_ID, "a chat id: an integer such as -1001234567890, or @name")


def _topic_id(channel: str, settings: RouteSettings) -> int | None:
    text = _valid(f"TELEGRAM_TOPIC_ID_{channel}", settings, _TOPIC_ID, "a topic id: a positive integer")
    return int(text) if text else None


def _valid(name: str, settings: RouteSettings, pattern: re.Pattern[str], meaning: str) -> str:
    text = settings.text(name)
    if text and not pattern.fullmatch(text):
        settings.note(f"{name} is not {meaning}; it counts as not set")
        return ""
    return text
