"""What a bot is sent: updates as Telegram's servers keep them, written from the Bot API's documentation alone.

An offset confirms all that is below it, also what was never read. Ids grow by one; after a week without updates the
next one is chosen at random, so that it may be lower than those before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

MOST = 100
INACCESSIBLE_DATE = 0  # what a message that cannot be had any more has in place of its date


def taken(updates: list[Mapping[str, Any]], offset: int | None, limit: int) -> Sequence[Mapping[str, Any]]:
    """Confirm what is below the offset, by which it is gone, and return the first of the rest; -n is the last n."""
    if offset is not None and offset < 0:
        del updates[: max(0, len(updates) + offset)]
    elif offset is not None:
        updates[:] = [each for each in updates if each["update_id"] >= offset]
    return updates[: min(limit, MOST)]


def person(account: int, name: str = "Somebody") -> dict[str, Any]:
    return {"id": account, "is_bot": False, "first_name": name, "language_code": "en"}


def chat(chat_id: str, account: int) -> dict[str, Any]:
    """Return a chat as an update describes it: the private one of an account, or a group with topics."""
    number = int(chat_id)
    if number == account:
        return {"id": number, "type": "private", "first_name": "Somebody"}
    return {"id": number, "type": "supergroup", "title": "Risk on call", "is_forum": True}


def message(account: int, chat_id: str, text: str, message_id: int, *, topic: int | None = None) -> dict[str, Any]:
    """Return the update of a text that somebody wrote."""
    found: dict[str, Any] = {
        "message_id": message_id, "from": person(account), "chat": chat(chat_id, account), "date": 1_790_000_000,
        "text": text,
    }  # fmt: skip
    if text.startswith("/"):
        found["entities"] = [{"type": "bot_command", "offset": 0, "length": len(text.split(maxsplit=1)[0])}]
    if topic is not None:
        found |= {"message_thread_id": topic, "is_topic_message": True}
    return {"message": found}


def tap(
    account: int, chat_id: str, data: str, message_id: int, query_id: str, *, topic: int | None = None,
    is_accessible: bool = True,
) -> dict[str, Any]:  # fmt: skip
    """Return the update of a tap on a button; of an inaccessible message only its chat and its id are left."""
    place: dict[str, Any] = {"chat": chat(chat_id, account), "message_id": message_id, "date": INACCESSIBLE_DATE}
    if is_accessible:
        place |= {"date": 1_790_000_000, "text": "an alert", "from": {"id": 1, "is_bot": True, "first_name": "bot"}}
        if topic is not None:
            place |= {"message_thread_id": topic, "is_topic_message": True}
    query = {"id": query_id, "from": person(account), "message": place, "chat_instance": "1", "data": data}
    return {"callback_query": query}
