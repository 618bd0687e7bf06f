"""What a bot is asked that is no alert: who it is, which chats wrote to it, and, for the reader of the chat, all else.

`chats` reads updates without confirming them, so that nothing is taken from another reader. Every text comes from
strangers: it is made one printable line and cut. The token is part of the address: no error, log line or repr holds it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from monitoring.alerts.message.sanitize import clean_line, shorten
from monitoring.alerts.senders import HEADERS, MAX_ANSWER_BYTES, TIMEOUT_S
from monitoring.alerts.senders.telegram import API_URL
from monitoring.alerts.senders.telegram.sender import method_url, server_of
from monitoring.base.errors import MonitoringError
from monitoring.base.http.client import Failure, HttpClient, Request
from monitoring.base.http.retry import is_transient
from monitoring.base.http.words import host_of
from monitoring.base.secrets.redact import excerpt

MAX_NAME = 60  # ours: a title fits on a line of a terminal
MAX_UPDATES = 100  # the Bot API returns no more at once
_OK, _UNAUTHORIZED, _NOT_FOUND, _CONFLICT = 200, 401, 404, 409
# The kinds of update that show a chat, in the order of how much they say of it.
_WITH_CHAT = ("message", "edited_message", "channel_post", "edited_channel_post", "my_chat_member")


class BotProblem(Enum):
    """Why the Bot API did not give what was asked."""

    TOKEN_REFUSED = "the token was refused"  # noqa: S105 - not one
    OTHER_READER = "another program reads this bot's updates"
    REFUSED = "Telegram refuses"
    NO_ANSWER = "no answer"


class BotError(MonitoringError):
    """The Bot API did not give what was asked; `problem` says why, `status` is what it answered, 0 for no answer.

    `retry_after_s` is what it asked for, if it did.
    """

    def __init__(self, problem: BotProblem, message: str, status: int = 0, retry_after_s: float | None = None) -> None:
        self.problem = problem
        self.status = status
        self.retry_after_s = retry_after_s
        super().__init__(message)

    @property
    def is_transient(self) -> bool:
        """Return whether the same request may be accepted later: no answer, too many requests, a broken server."""
        return self.problem is BotProblem.NO_ANSWER or is_transient(self.status)


@dataclass(frozen=True, slots=True)
class Chat:
    """A chat as its owner named it. `thread_id` is the topic of a group in which somebody wrote, if any."""

    id: str
    kind: str
    title: str
    author: str = ""
    thread_id: int | None = None

    def __str__(self) -> str:
        if self.kind == "private":
            return f"private chat with {self.title} (id {self.id})"
        topic = f", topic {self.thread_id}" if self.thread_id is not None else ""
        author = f", last message by {self.author}" if self.author else ""
        return f"{self.kind} {self.title!r} (id {self.id}{topic}{author})"


@dataclass(frozen=True, slots=True)
class BotAccount:
    """A bot by its token."""

    token: str = field(repr=False)
    environ: Mapping[str, str] = field(repr=False)
    http: HttpClient = field(repr=False)
    timeout_s: float = TIMEOUT_S

    @classmethod
    def of(cls, token: str, environ: Mapping[str, str], timeout_s: float = TIMEOUT_S) -> BotAccount:
        return cls(token, environ, HttpClient(environ, max_bytes=MAX_ANSWER_BYTES), timeout_s)

    def username(self) -> str:
        """Return the bot's name without @ (getMe).

        Raises:
            BotError: the token is refused, or no answer.
        """
        return _text(_mapping(self.ask("getMe")).get("username")) or "?"

    def has_webhook(self) -> bool:
        """Return whether updates go to an address of somebody: then they cannot be read (getWebhookInfo).

        Raises:
            BotError: no answer.
        """
        return bool(_mapping(self.ask("getWebhookInfo")).get("url"))

    def chat(self, chat_id: str) -> Chat:
        """Return a chat that this bot may see (getChat).

        Raises:
            BotError: it may not, or no answer.
        """
        asked = int(chat_id) if chat_id.lstrip("-").isdecimal() else chat_id
        return _chat(_mapping(self.ask("getChat", chat_id=asked)))

    def chats(self) -> list[Chat]:
        """Return the chats and topics that updates are waiting of, the newest first; confirms none (getUpdates).

        Raises:
            BotError: somebody else reads them, or no answer.
        """
        updates = self.ask("getUpdates", timeout=0, limit=MAX_UPDATES)
        return chats_in(updates if isinstance(updates, list) else [])

    def ask(self, method: str, *, within_s: float = 0, **parameters: object) -> object:
        """Call a method and return its result, as JSON gives it; `within_s` replaces the usual time limit.

        Raises:
            BotError: anything but a result.
        """
        address = method_url(server_of(self.environ.get(API_URL, "")), self.token, method)
        request = Request(address, "POST", HEADERS, json.dumps(parameters).encode())
        answer = self.http.exchange(request, within_s or self.timeout_s)
        host = host_of(address)
        if isinstance(answer, Failure):
            raise BotError(BotProblem.NO_ANSWER, f"{host}: {answer.what}")
        try:
            said = _mapping(json.loads(answer.body))
        except (ValueError, RecursionError):
            said = {}
        if answer.status == _OK and said.get("ok") is True:
            return said.get("result")
        words = excerpt(clean_line(str(said.get("description") or f"HTTP {answer.status}")), 200)
        problem = {
            _UNAUTHORIZED: BotProblem.TOKEN_REFUSED,
            _NOT_FOUND: BotProblem.TOKEN_REFUSED,
            _CONFLICT: BotProblem.OTHER_READER,
        }.get(answer.status, BotProblem.REFUSED if said else BotProblem.NO_ANSWER)
        wait = _mapping(said.get("parameters")).get("retry_after")
        retry_after_s = float(wait) if isinstance(wait, int) and wait > 0 else answer.retry_after_s
        raise BotError(problem, f"{host}: {words}", answer.status, retry_after_s)


def chats_in(updates: Iterable[object]) -> list[Chat]:
    """Return each chat and topic once, the one that was written to last first. Pure; what is malformed is left out."""
    found: dict[tuple[str, int | None], Chat] = {}
    for update in updates:
        said = _mapping(update)
        message = next((_mapping(said[kind]) for kind in _WITH_CHAT if kind in said), {})
        chat = _chat(_mapping(message.get("chat")), message)
        if chat.id:
            found.pop((chat.id, chat.thread_id), None)
            found[chat.id, chat.thread_id] = chat
    return list(reversed(found.values()))


def _chat(chat: Mapping[str, object], message: Mapping[str, object] | None = None) -> Chat:
    message = message or {}
    number, thread = chat.get("id"), message.get("message_thread_id")
    is_topic = message.get("is_topic_message") is True and isinstance(thread, int)
    return Chat(
        str(number) if isinstance(number, int) and not isinstance(number, bool) else "",
        _text(chat.get("type")) or "chat",
        _text(chat.get("title")) or _person(chat) or "?",
        _person(_mapping(message.get("from"))),
        thread if is_topic and isinstance(thread, int) else None,
    )


def _person(said: Mapping[str, object]) -> str:
    name = " ".join(filter(None, (_text(said.get("first_name")), _text(said.get("last_name")))))
    user = _text(said.get("username"))
    return f"{name} (@{user})" if name and user else name or (f"@{user}" if user else "")


def _text(value: object) -> str:
    return shorten(clean_line(value), MAX_NAME) if isinstance(value, str) else ""


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}
