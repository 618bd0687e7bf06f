"""Decides where an alert goes, by the environment alone: a pure function whose result can be printed.

Called by whoever stores an alert and by `alerts --route`. It reads which variables are set; what a secret variable
holds never enters the plan.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

from monitoring.alerts.delivery.destinations import AppriseUrl, Console, Destination, TelegramChat, Webhook
from monitoring.alerts.message.model import Severity
from monitoring.base.settings import log_level

DIGEST_CHANNEL = "automation"
OPERATIONAL_SOURCES = frozenset({"ops_error", "crash", "envio_error"})  # the last as the replaced system wrote it
TEST_CHAT = "TELEGRAM_TEST_CHAT_ID"
TOPICS_CHAT = "TELEGRAM_CHAT_ID_TOPICS"
DEFAULT_CHAT = "TELEGRAM_CHAT_ID_DEFAULT"
DEFAULT_TOKEN = "TELEGRAM_BOT_TOKEN_DEFAULT"  # noqa: S105 - a variable's name
WEBHOOK_SECRET = "WEBHOOK_SECRET"  # noqa: S105 - likewise
CONSOLE = "ALERTS_CONSOLE"

_CHAT_ID = re.compile(r"-?\d{1,20}|@[A-Za-z][A-Za-z0-9_]{3,31}", re.ASCII)
_TOPIC_ID = re.compile(r"[1-9]\d{0,17}", re.ASCII)
_BETWEEN_URLS = re.compile(r"[\s,]+(?=[A-Za-z][A-Za-z0-9+.-]*://)")  # a comma inside an Apprise URL stays


class RouteReason(Enum):
    """Why the plan is as it is; the value is what an operator reads."""

    DEBUG = "LOG_LEVEL=DEBUG: alerts are recorded and nothing is sent"
    TEST_CHAT = "TELEGRAM_TEST_CHAT_ID is set: every alert goes to the test chat and nowhere else"
    TOPIC = "the channel has a topic of its own"
    CHANNEL_CHAT = "the channel has a chat of its own"
    DEFAULT_CHAT = "the channel has no chat or topic of its own: the default chat"
    NO_TELEGRAM = "no Telegram variable is set and another destination takes every alert"
    MISSING_CREDENTIALS = "credentials are missing: the alert waits and goes out once they exist"


@dataclass(frozen=True, slots=True)
class ChannelRoutes:
    """Every destination of a channel's alerts, the reason for the Telegram one, and remarks on odd settings.

    A destination with `missing` variables waits for them (`skipped_missing_credentials`).
    """

    channel: str
    route: RouteReason
    destinations: tuple[Destination, ...]
    notes: tuple[str, ...] = ()

    def for_severity(self, severity: Severity) -> tuple[Destination, ...]:
        """Return those that take an alert this bad: webhooks only HIGH and CRITICAL ones."""
        return tuple(destination for destination in self.destinations if severity >= destination.least)

    @property
    def missing(self) -> tuple[str, ...]:
        """The variables that some destination waits for, each once."""
        return tuple(dict.fromkeys(name for destination in self.destinations for name in destination.missing))

    def explain(self) -> tuple[str, ...]:
        """Return the lines of `alerts --route CHANNEL`."""
        return (
            f"channel {self.channel}: {self.route.value}",
            *(f"  -> {_describe(destination)}" for destination in self.destinations),
            *(f"  note: {note}" for note in self.notes),
        )


def variable_part(channel: str) -> str:
    """Return how a channel is spelled inside variable names: `cap money` is `CAP_MONEY`."""
    return re.sub(r"[^A-Z0-9]", "_", channel.strip().upper())


def plan(alert_channel: str, protocol: str, source: str, environ: Mapping[str, str]) -> ChannelRoutes:
    """Decide where the alerts of a channel go.

    Telegram, first match: test chat; topic; the channel's chat; default chat; else it waits. Operational errors and
    crashes go by the channel ERRORS where that has a chat or topic. A webhook of a protocol acts on funds, so it hears
    nothing of operational errors: only `WEBHOOK_URL_ERRORS` does.
    """
    settings = _Settings(environ)
    operational = source in OPERATIONAL_SOURCES
    channel = variable_part(alert_channel.strip() or protocol)
    if log_level(environ)[0] == "DEBUG":
        return ChannelRoutes(channel, RouteReason.DEBUG, ())
    if settings.text(TEST_CHAT):
        chat = settings.telegram(TEST_CHAT, DEFAULT_TOKEN, labelled=True)
        return settings.plan(channel, RouteReason.TEST_CHAT, [chat])
    if operational and settings.has_route("ERRORS"):
        channel = "ERRORS"
    route, chat = settings.route(channel)
    others = [*settings.webhooks("ERRORS" if operational else channel), *settings.apprise(channel), *settings.console()]
    if chat.missing and not settings.uses_telegram() and any(isinstance(other, AppriseUrl) for other in others):
        return settings.plan(channel, RouteReason.NO_TELEGRAM, others)
    return settings.plan(channel, route, [chat, *others])


def split_urls(value: str) -> list[str]:
    """Split a `NOTIFY_URLS_…` variable at white space and commas, but not inside an address."""
    return [url.strip(" \t\r\n,") for url in _BETWEEN_URLS.split(value) if url.strip(" \t\r\n,")]


def fingerprint(url: str) -> str:
    """Tell addresses apart without saying what they are."""
    return hashlib.sha256(url.encode("utf-8", "surrogatepass")).hexdigest()[:8]


class _Settings:
    """The environment as routing reads it: blank is unset, a malformed id is unset and remarked upon."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._notes: dict[str, None] = {}

    def plan(self, channel: str, route: RouteReason, destinations: Iterable[Destination]) -> ChannelRoutes:
        waits = next((each for each in destinations if isinstance(each, TelegramChat) and each.missing), None)
        reason = route if waits is None else RouteReason.MISSING_CREDENTIALS
        return ChannelRoutes(channel, reason, tuple(destinations), tuple(self._notes))

    def text(self, name: str) -> str:
        return self._environ.get(name, "").strip()

    def chat_id(self, name: str) -> str:
        return self._valid(name, _CHAT_ID, "a chat id: an integer such as -1001234567890, or @name")

    def topic_id(self, channel: str) -> int | None:
        text = self._valid(f"TELEGRAM_TOPIC_ID_{channel}", _TOPIC_ID, "a topic id: a positive integer")
        return int(text) if text else None

    def has_route(self, channel: str) -> bool:
        in_topic = self.topic_id(channel) is not None and bool(self.chat_id(TOPICS_CHAT))
        return in_topic or bool(self.chat_id(f"TELEGRAM_CHAT_ID_{channel}"))

    def uses_telegram(self) -> bool:
        return any(name.startswith("TELEGRAM_") and value.strip() for name, value in self._environ.items())

    def route(self, channel: str) -> tuple[RouteReason, TelegramChat]:
        """Return rule 2, 3 or 4 of the routing."""
        topic_id, own_chat, own_token = (
            self.topic_id(channel),
            f"TELEGRAM_CHAT_ID_{channel}",
            f"TELEGRAM_BOT_TOKEN_{channel}",
        )
        if topic_id is not None and self.chat_id(TOPICS_CHAT):
            return RouteReason.TOPIC, self.telegram(TOPICS_CHAT, DEFAULT_TOKEN, topic_id)
        if topic_id is not None:
            self._note(f"TELEGRAM_TOPIC_ID_{channel} is set but {TOPICS_CHAT} is not: the topic is not used")
        if self.chat_id(own_chat):
            return RouteReason.CHANNEL_CHAT, self.telegram(
                own_chat, own_token if self.text(own_token) else DEFAULT_TOKEN
            )
        return RouteReason.DEFAULT_CHAT, self.telegram(DEFAULT_CHAT, DEFAULT_TOKEN)

    def telegram(
        self, chat_variable: str, token_variable: str, thread_id: int | None = None, *, labelled: bool = False
    ) -> TelegramChat:
        chat_id = self.chat_id(chat_variable)
        absent = (chat_variable, not chat_id), (token_variable, not self.text(token_variable))
        missing = tuple(name for name, is_absent in absent if is_absent)
        return TelegramChat(chat_id, token_variable, thread_id, labelled, missing)

    def webhooks(self, channel: str) -> list[Destination]:
        url_variable = f"WEBHOOK_URL_{channel}"
        if not self.text(url_variable):
            return []
        return [Webhook(url_variable, () if self.text(WEBHOOK_SECRET) else (WEBHOOK_SECRET,))]

    def apprise(self, channel: str) -> list[Destination]:
        variable = f"NOTIFY_URLS_{channel}"
        return [AppriseUrl(variable, mark) for mark in dict.fromkeys(map(fingerprint, split_urls(self.text(variable))))]

    def console(self) -> list[Destination]:
        return [Console()] if self.text(CONSOLE).lower() in ("1", "true") else []

    def _valid(self, name: str, pattern: re.Pattern[str], meaning: str) -> str:
        text = self.text(name)
        if text and not pattern.fullmatch(text):
            self._note(f"{name} is not {meaning}; it counts as not set")
            return ""
        return text

    def _note(self, note: str) -> None:
        self._notes[note] = None


def _describe(destination: Destination) -> str:
    lacking = f", waiting for {' and '.join(destination.missing)}" if destination.missing else ""
    return f"{_name(destination)}{lacking}"


def _name(destination: Destination) -> str:
    match destination:
        case TelegramChat(chat_id, token_variable, thread_id, labelled):
            topic = "" if thread_id is None else f", topic {thread_id}"
            label = ", with [protocol] before each text" if labelled else ""
            return f"Telegram chat {chat_id or '(none)'}{topic} by {token_variable}{label}"
        case Webhook(url_variable):
            return f"webhook {url_variable} signed with {WEBHOOK_SECRET}, HIGH and CRITICAL only"
        case AppriseUrl(variable, mark):
            return f"Apprise address {mark} of {variable}"
    return "the console"
