"""Reads what a Bot API says: a pure function from an answer to a verdict.

Called by the Telegram sender. Only what Telegram itself said counts: an answer that is not the Bot API's JSON comes
from something between us and it, so it is worth another try.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from enum import Enum

from monitoring.base.http.client import Answer, Failure
from monitoring.base.http.retry import is_transient
from monitoring.base.http.words import redirect_words
from monitoring.base.secrets.redact import excerpt

# Descriptions the Bot API is known to use, lower-cased; it has no codes for them.
_TOPIC_GONE = (
    "message thread not found",
    "topic_closed",
    "topic_deleted",
    "topic_id_invalid",
    "message thread is closed",
)
_REPLY_REFUSED = (
    "to be replied", "replied message", "reply message", "message to reply", "reply_message", "reply_to",
    "reply_parameters", "reply parameters",
)  # fmt: skip
_TOO_LONG = ("message is too long", "message_too_long", "text is too long")
_CHAT_GONE = (
    "chat not found", "chat_write_forbidden", "not enough rights", "have no rights", "need administrator rights",
    "group chat was upgraded", "user not found", "peer_id_invalid", "chat_id is empty", "channel_private",
    "group chat was deactivated", "chat_restricted", "chat is deactivated", "bot was kicked", "bot was blocked",
    "user_is_blocked", "is not a member", "invalid chat_id", "migrated to a supergroup", "plain_forbidden",
)  # fmt: skip
_RETRY_AFTER = re.compile(r"retry after (\d{1,9})")
_LONGEST_DESCRIPTION = 200

_OK, _BAD_REQUEST, _UNAUTHORISED, _NOT_FOUND = 200, 400, 401, 404


class AnswerMeaning(Enum):
    """What an answer means for the delivery."""

    ACCEPTED = "accepted"
    LATER = "worth another try"
    TEXT_REFUSED = "the text was refused"
    TOO_LONG = "the text is too long"
    REPLY_REFUSED = "the message it answers was refused"
    TOPIC_GONE = "the topic is closed or gone"
    MIGRATED = "the chat became a supergroup"
    TOKEN_REFUSED = "the bot's token was refused"  # noqa: S105 - not one
    REFUSED = "the chat refuses"


@dataclass(frozen=True, slots=True)
class ReadAnswer:
    """A verdict with what the destination said about it."""

    verdict: AnswerMeaning
    said: str = ""
    message_id: int = 0
    retry_after_s: float | None = None
    new_chat_id: str = ""


@dataclass(frozen=True, slots=True)
class _BotAnswer:
    """The envelope of every Bot API answer."""

    ok: bool
    result: object
    description: str
    error_code: int | None
    migrate_to_chat_id: int | None
    retry_after: float | None

    @classmethod
    def parse(cls, body: bytes) -> _BotAnswer | None:
        """Read an envelope; None if it is not one, whatever it is instead."""
        try:
            found = json.loads(body)
            parameters = found.get("parameters") or {}
            code, chat = found.get("error_code"), parameters.get("migrate_to_chat_id")
            wait, description = parameters.get("retry_after"), found.get("description", "")
            answer = cls(
                ok=found["ok"],
                result=found.get("result"),
                description=description,
                error_code=None if code is None else int(code),
                migrate_to_chat_id=None if chat is None else int(chat),
                retry_after=None if wait is None else float(wait),
            )
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
            return None
        sound = isinstance(answer.ok, bool) and isinstance(answer.description, str)
        return answer if sound and math.isfinite(answer.retry_after or 0) else None


def read_answer(answer: Answer | Failure) -> ReadAnswer:
    """Return what an answer to `sendMessage` means."""
    if isinstance(answer, Failure):
        return ReadAnswer(AnswerMeaning.LATER, answer.what)
    said = _BotAnswer.parse(answer.body)
    # A status page may say that it is ok as well; what was sent is in the result.
    if said is None or (said.ok and (answer.status != _OK or said.result is None)):
        words = f"HTTP {answer.status} without an answer of the Bot API{redirect_words(answer.status, answer.headers)}"
        return ReadAnswer(AnswerMeaning.LATER, words, retry_after_s=answer.retry_after_s)
    if said.ok:
        return ReadAnswer(AnswerMeaning.ACCEPTED, message_id=_message_id(said.result))
    return _refusal(said, answer)


def _message_id(result: object) -> int:
    """Return 0 if there is none: it was accepted all the same, and asking again would send it twice."""
    found = result.get("message_id") if isinstance(result, dict) else None
    return found if isinstance(found, int) else 0


def _refusal(said: _BotAnswer, answer: Answer) -> ReadAnswer:
    code = said.error_code or answer.status
    description = said.description.lower()
    words = f"{code} {excerpt(said.description, _LONGEST_DESCRIPTION)}".strip()
    if said.migrate_to_chat_id is not None and said.migrate_to_chat_id < 0:  # as every group's id is
        return ReadAnswer(AnswerMeaning.MIGRATED, words, new_chat_id=str(said.migrate_to_chat_id))
    verdict = _verdict(code, description)
    retry_after_s = _asked_to_wait(said, description, answer) if verdict is AnswerMeaning.LATER else None
    return ReadAnswer(verdict, words, retry_after_s=retry_after_s)


def _verdict(code: int, description: str) -> AnswerMeaning:
    if is_transient(code):
        return AnswerMeaning.LATER
    if code in (_UNAUTHORISED, _NOT_FOUND):
        return AnswerMeaning.TOKEN_REFUSED
    return _verdict_on_request(description) if code == _BAD_REQUEST else AnswerMeaning.REFUSED


def _verdict_on_request(description: str) -> AnswerMeaning:
    """Judge a 400: of the topic, of the chat, else of the text, which may go through without its formatting."""
    for verdict, phrases in (
        (AnswerMeaning.TOPIC_GONE, _TOPIC_GONE),
        (AnswerMeaning.REFUSED, _CHAT_GONE),
        (AnswerMeaning.REPLY_REFUSED, _REPLY_REFUSED),
        (AnswerMeaning.TOO_LONG, _TOO_LONG),
    ):
        if any(phrase in description for phrase in phrases):
            return verdict
    return AnswerMeaning.TEXT_REFUSED


def _asked_to_wait(said: _BotAnswer, description: str, answer: Answer) -> float | None:
    if said.retry_after is not None and said.retry_after >= 0:
        return said.retry_after
    in_text = _RETRY_AFTER.search(description)
    return float(in_text[1]) if in_text else answer.retry_after_s
