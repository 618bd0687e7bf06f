"""Sends alerts to Telegram's Bot API, or to the server that `TELEGRAM_API_URL` names.

Called by the delivery loop through `Senders`. The token is part of the address, so no error, log line or repr may
hold the address.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote

from monitoring.alerts.message.sanitize import grapheme_cut
from monitoring.alerts.senders import (
    HEADERS,
    MAX_ANSWER_BYTES,
    TIMEOUT_S,
    Accepted,
    Buttons,
    Message,
    OnPart,
    Sender,
    Sent,
    ignore_part,
)
from monitoring.alerts.senders.telegram import API_URL, TelegramChat
from monitoring.alerts.senders.telegram.answers import AnswerMeaning, ReadAnswer, read_answer
from monitoring.alerts.senders.telegram.buttons import key_of, markup
from monitoring.alerts.senders.telegram.text import MessagePart, Rendered, render_telegram
from monitoring.base.errors import ChatMigratedError, CredentialsError, RefusedError, SendError
from monitoring.base.http.client import HttpClient, Request

DEFAULT_API_URL = "https://api.telegram.org"
_OF_THE_TEXT = (AnswerMeaning.TEXT_REFUSED, AnswerMeaning.TOO_LONG, AnswerMeaning.REPLY_REFUSED)
_BARE_PIECE = 1000  # ours: characters of a piece when Telegram finds a text too long that by its own rules is not


def server_of(setting: str) -> str:
    """Return the address of the Bot API server by the value of `TELEGRAM_API_URL`, which may be empty.

    It is given that value alone: a traceback with the values of its frame must not show the environment.

    Raises:
        CredentialsError: it is no address.
    """
    base = setting.strip().rstrip("/") or DEFAULT_API_URL
    if not base.startswith(("http://", "https://")):
        raise CredentialsError(f"Telegram: {API_URL} is no http or https address; unset or correct it")
    return base


def method_url(server: str, token: str, method: str) -> str:
    """Return the address of a method of the Bot API; it holds the token and is never shown."""
    return f"{server}/bot{quote(token.strip(), safe=':', errors='replace')}/{method}"


@dataclass(frozen=True, slots=True)
class _Bot:
    """Where a bot's messages are posted, and the key of its buttons; the address holds the token. Never shown."""

    variable: str
    address: str = field(repr=False)
    key: bytes = field(repr=False)


@dataclass(slots=True)
class _MessageExchange:
    """What holds for every part of one message, and what had to be given up on the way."""

    bot: _Bot
    chat_id: str
    thread_id: int | None
    silent: bool
    utc_only: bool = False
    reply_to: int = 0
    buttons: Buttons = ()
    notes: list[str] = field(default_factory=list)
    body: str = ""

    def payload(self, part: MessagePart) -> bytes:
        """Return the request; absent fields are left out, because the Bot API refuses null."""
        payload: dict[str, object] = {
            "chat_id": int(self.chat_id) if self.chat_id.lstrip("-").isdigit() else self.chat_id,
            "text": part.text,
            "link_preview_options": {"is_disabled": True},
        }
        if part.entities:
            payload["entities"] = [entity.payload() for entity in part.entities]
        if self.thread_id is not None:
            payload["message_thread_id"] = self.thread_id
        if self.silent:
            payload["disable_notification"] = True
        if self.reply_to:
            # Somebody may have deleted it meanwhile: then the message comes all the same.
            payload["reply_parameters"] = {"message_id": self.reply_to, "allow_sending_without_reply": True}
        if self.buttons:
            payload["reply_markup"] = markup(self.bot.key, self.buttons, self.chat_id)
        return json.dumps(payload, ensure_ascii=False).encode()


class TelegramSender:
    """Sends over one connection, whichever bot speaks."""

    def __init__(
        self,
        environ: Mapping[str, str],
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._environ = environ
        self._timeout_s = timeout_s
        self._http = HttpClient(environ, max_bytes=MAX_ANSWER_BYTES)

    def send(self, message: Message, destination: TelegramChat, on_part: OnPart = ignore_part) -> Sent:
        """Send the parts that are left, each reported as soon as it is accepted.

        A topic that is closed or gone gives way to its chat, instants in the reader's zone that the server does not
        know to UTC, buttons and formatting that are refused to the bare text, a reply that is refused to a message of
        its own.
        """
        bot = self._bot(destination)
        rendered = _rendered(message, destination)
        delivery = _MessageExchange(
            bot, destination.chat_id, destination.thread_id, message.alert.is_silent, message.utc_only, message.reply_to
        )
        if rendered.left_out:
            delivery.notes.append(f"{rendered.left_out} blocks were too long and left out")
        messages: list[Accepted] = []
        for number, part in enumerate(rendered.parts[message.parts_sent :], message.parts_sent + 1):
            delivery.buttons = message.buttons if number == len(rendered.parts) else ()
            message_ids = self._send_part(delivery, part)
            accepted = [Accepted(each, number, delivery.thread_id, delivery.body) for each in message_ids]
            if number == 1:
                delivery.reply_to = accepted[0].message_id
            messages += accepted
            on_part(number, accepted)
        return Sent(tuple(messages), tuple(delivery.notes), utc_only=delivery.utc_only)

    def close(self) -> None:
        self._http.close()

    def _bot(self, destination: TelegramChat) -> _Bot:
        """Find the bot's address. The token may stand in no frame from which something is raised."""
        variable = destination.token_variable
        if not self._environ.get(variable, "").strip() or not destination.chat_id:
            missing = "a chat id" if self._environ.get(variable, "").strip() else variable
            raise CredentialsError(f"Telegram: {missing} is not set; the alert goes out once it is")
        return _Bot(
            variable,
            method_url(server_of(self._environ.get(API_URL, "")), self._environ[variable], "sendMessage"),
            key_of(self._environ[variable]),
        )

    def _send_part(self, delivery: _MessageExchange, part: MessagePart) -> list[int]:
        """Send one part; return the ids of its messages, which are several where it had to be cut."""
        part = part.in_utc() if delivery.utc_only else part
        reading = self._post_somewhere(delivery, part)
        if reading.verdict is AnswerMeaning.TEXT_REFUSED and part.in_utc() != part:
            refused, part = reading.said, part.in_utc()
            reading = self._post(delivery, part)
            if reading.verdict is AnswerMeaning.ACCEPTED:
                delivery.utc_only = True
                delivery.notes.append(f"sent with times in UTC: {refused}")
        if reading.verdict is AnswerMeaning.TEXT_REFUSED and delivery.buttons:
            refused, delivery.buttons = reading.said, ()
            reading = self._post(delivery, part)
            if reading.verdict is AnswerMeaning.ACCEPTED:
                delivery.notes.append(f"sent without buttons: {refused}")
        if reading.verdict is AnswerMeaning.TEXT_REFUSED and part.entities:
            delivery.notes.append(f"sent without formatting: {reading.said}")
            reading = self._post(delivery, MessagePart(part.text))
        if reading.verdict is AnswerMeaning.TEXT_REFUSED and delivery.reply_to:
            reading = self._post_alone(delivery, MessagePart(part.text), reading)
        if reading.verdict is AnswerMeaning.TOO_LONG:
            delivery.notes.append(f"sent in smaller pieces: {reading.said}")
            delivery.buttons = ()
            return self._send_pieces(delivery, part.text)
        return [_accepted(reading, delivery)]

    def _send_pieces(self, delivery: _MessageExchange, text: str) -> list[int]:
        """Send a text bare and in pieces."""
        message_ids = []
        while text:
            end = grapheme_cut(text, _BARE_PIECE)
            piece, text = text[:end].strip(), text[end:].lstrip()
            message_ids.append(_accepted(self._post_somewhere(delivery, MessagePart(piece)), delivery))
        return message_ids

    def _post_somewhere(self, delivery: _MessageExchange, part: MessagePart) -> ReadAnswer:
        """Post to the topic and as a reply; to the chat where the topic is gone, alone where the reply is refused."""
        reading = self._post(delivery, part)
        if reading.verdict is AnswerMeaning.TOPIC_GONE and delivery.thread_id is not None:
            delivery.notes.append(f"topic {delivery.thread_id} is closed or gone ({reading.said}): sent to its chat")
            delivery.thread_id, delivery.reply_to = None, 0  # what it answers is in the topic
            reading = self._post(delivery, part)
        if reading.verdict is AnswerMeaning.REPLY_REFUSED and delivery.reply_to:
            reading = self._post_alone(delivery, part, reading)
        return reading

    def _post_alone(self, delivery: _MessageExchange, part: MessagePart, refused: ReadAnswer) -> ReadAnswer:
        delivery.notes.append(f"sent without the message it answers: {refused.said}")
        delivery.reply_to = 0
        return self._post(delivery, part)

    def _post(self, delivery: _MessageExchange, part: MessagePart) -> ReadAnswer:
        delivery.body = body_of(part) if delivery.buttons else ""
        request = Request(delivery.bot.address, "POST", HEADERS, delivery.payload(part))
        return read_answer(self._http.exchange(request, self._timeout_s))


def body_of(part: MessagePart) -> str:
    """Return text and entities of a message as they are sent, as one line of JSON."""
    entities = [entity.payload() for entity in part.entities]
    return json.dumps({"text": part.text, "entities": entities}, ensure_ascii=False, separators=(",", ":"))


def _rendered(message: Message, destination: TelegramChat) -> Rendered:
    label = message.alert.protocol if destination.labelled else ""
    return render_telegram(message.shown, now=message.created_at, label=label)


def _accepted(reading: ReadAnswer, delivery: _MessageExchange) -> int:
    """Return the message id, or raise what the delivery loop has to act on."""
    where = f"Telegram chat {delivery.chat_id}"
    match reading.verdict:
        case AnswerMeaning.ACCEPTED:
            return reading.message_id
        case AnswerMeaning.LATER:
            raise SendError(f"{where}: {reading.said}", retry_after_s=reading.retry_after_s)
        case AnswerMeaning.TOKEN_REFUSED:
            raise CredentialsError(f"{where}: {delivery.bot.variable} was refused ({reading.said}); set a valid token")
        case AnswerMeaning.MIGRATED:
            raise ChatMigratedError(f"{where} is now {reading.new_chat_id}", reading.new_chat_id)
        case _:
            of_text = reading.verdict in _OF_THE_TEXT
            raise RefusedError(f"{where}: {reading.said}", of_text=of_text)


if TYPE_CHECKING:
    _: Sender[TelegramChat] = TelegramSender({})
