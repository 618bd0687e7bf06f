"""What one update of Telegram says, as far as this process acts on it. Pure; every text comes from strangers.

What is malformed or of another kind is an update without a kind: it is confirmed, and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from monitoring.alerts.message.sanitize import clean_line, shorten

ALLOWED = ("message", "callback_query")
_COMMAND = re.compile(r"/([A-Za-z0-9_]{1,32})(?:@([A-Za-z0-9_]{1,64}))?(?=\s|$)", re.ASCII)
_LONGEST_NAME, _LONGEST_DATA, _LONGEST_QUERY = 60, 64, 100
_LARGEST_ID = 2**63 - 1  # what the store can hold; ids of accounts and chats are smaller


class UpdateKind(StrEnum):
    """What somebody did."""

    COMMAND = "command"
    TAP = "tap"
    MOVED = "moved"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Update:
    """One update. Who: `account` (the number of the Telegram account) and `name` as they call themselves.

    Where: `chat_id`, `chat_name` (its @name, where it has one), `topic` of it, `message_id`; of a tap the message with
    the button, which may be inaccessible: then only its chat and id are known. `command` is without / and in lower
    case, `addressee` the bot it names, if any.
    `data` and `query_id` are of a tap: what the button holds and what an answer to it names. Of a group that became a
    supergroup `data` is its new id.
    """

    update_id: int
    kind: UpdateKind = UpdateKind.OTHER
    account: int = 0
    name: str = ""
    chat_id: str = ""
    chat_name: str = ""
    is_private: bool = False
    topic: int | None = None
    message_id: int = 0
    command: str = ""
    addressee: str = ""
    query_id: str = ""
    data: str = ""


def read_update(raw: object) -> Update | None:
    """Return what an update says; none if it has no id by which it could be confirmed."""
    said = _mapping(raw)
    number = _number(said.get("update_id"))
    if not number:
        return None
    if "callback_query" in said:
        return _tap(number, _mapping(said["callback_query"]))
    return _command(number, _mapping(said.get("message")))


def _command(number: int, message: Mapping[str, object]) -> Update:
    moved_to = _number(message.get("migrate_to_chat_id"))
    if moved_to < 0:  # as every group's id is
        return replace(_placed(Update(number, UpdateKind.MOVED), message), data=str(moved_to))
    text = message.get("text")
    found = _COMMAND.match(text) if isinstance(text, str) else None
    account = _account(message)
    if found is None or not account:
        return Update(number)
    update = Update(number, UpdateKind.COMMAND, account, _name(message))
    return replace(_placed(update, message), command=found[1].lower(), addressee=(found[2] or "").lower())


def _tap(number: int, query: Mapping[str, object]) -> Update:
    query_id, data, account = query.get("id"), query.get("data"), _account(query)
    sender = _number(_mapping(query.get("from")).get("id"))
    if not isinstance(query_id, str) or not isinstance(data, str) or not sender:
        return Update(number)
    if not 0 < len(query_id) <= _LONGEST_QUERY:  # Telegram's have about twenty; it could not be answered
        return Update(number)
    # A bot that speaks for an anonymous admin is nobody's account: a stranger, who gets an answer.
    said = _storable(data[: _LONGEST_DATA + 1])
    update = Update(number, UpdateKind.TAP, account, _name(query), query_id=query_id, data=said)
    return _placed(update, _mapping(query.get("message")))


def _placed(update: Update, message: Mapping[str, object]) -> Update:
    chat = _mapping(message.get("chat"))
    name = chat.get("username")
    topic = _number(message.get("message_thread_id")) if message.get("is_topic_message") is True else 0
    return replace(
        update,
        chat_id=str(_number(chat.get("id")) or ""),
        chat_name=f"@{_storable(name[:_LONGEST_NAME])}" if isinstance(name, str) and name else "",
        is_private=chat.get("type") == "private",
        topic=topic or None,
        message_id=_number(message.get("message_id")),
    )


def _account(said: Mapping[str, object]) -> int:
    """Return who did it: an account of a person. Bots, and groups that speak in their own name, are nobody."""
    sender = _mapping(said.get("from"))
    if sender.get("is_bot") is True or "sender_chat" in said:
        return 0
    return max(0, _number(sender.get("id")))


def _name(said: Mapping[str, object]) -> str:
    sender = _mapping(said.get("from"))
    parts = [text for text in (sender.get("first_name"), sender.get("last_name")) if isinstance(text, str)]
    return shorten(clean_line(" ".join(parts)), _LONGEST_NAME)


def _storable(text: str) -> str:
    """Return text without halves of characters (JSON may hold a lone D800), which no store and no hash takes."""
    return text.encode(errors="replace").decode()


def _number(value: object) -> int:
    is_number = isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _LARGEST_ID
    return value if is_number and isinstance(value, int) else 0


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}
