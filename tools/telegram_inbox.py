"""What a stand-in for the Bot API gives its bot: updates by long polling, and the ends of taps."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from tools import telegram_updates
from tools.scripted_server import Answer, Request, ScriptedServer

if TYPE_CHECKING:
    from tools.telegram_stand_in import Received

_OTHER_POLLER = "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running"


def result_of(result: object) -> Answer:
    return Answer.of_json(200, {"ok": True, "result": result})


def refused(code: int, description: str, **parameters: int) -> Answer:
    body: dict[str, object] = {"ok": False, "error_code": code, "description": description}
    return Answer.of_json(code, body | ({"parameters": parameters} if parameters else {}))


class TelegramInbox(ScriptedServer):
    """What people wrote to a bot. With a webhook or `read_elsewhere` nobody can poll; a second poll ends the first."""

    def __init__(self, *, port: int = 0, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(port=port, clock=clock)
        self.updates: list[Mapping[str, Any]] = []  # not confirmed yet
        self.next_update_id = 700_000_000
        self.allowed_updates: list[str] = []  # empty: all of them
        self.longest_poll_s = float("inf")
        self.answered_taps: list[Mapping[str, Any]] = []
        self._open_taps: set[str] = set()
        self._polls: dict[str, int] = {}
        self._last_message_id = 0
        self.webhook = ""
        self.read_elsewhere = False

    def write(self, account: int, text: str, chat: str = "", *, topic: int | None = None) -> int:
        """Write to the bot as a person does, in a group or in their private chat; return the update's id."""
        with self._changed:
            message_id = self._next_message_id()
            return self._add(telegram_updates.message(account, chat or str(account), text, message_id, topic=topic))

    def tap(
        self, account: int, data: str, message: Received | None = None, *, chat: str = "", is_accessible: bool = True
    ) -> int:
        """Tap a button under a message, or claim to have; return the update's id."""
        with self._changed:
            chat = message.chat_id if message else chat or str(account)
            query_id = f"{account}-{self.next_update_id}"
            self._open_taps.add(query_id)
            number, topic = (message.message_id, message.thread_id) if message else (1, None)
            return self._add(
                telegram_updates.tap(account, chat, data, number, query_id, topic=topic, is_accessible=is_accessible)
            )

    def forget_taps(self) -> None:
        """Let the time in which taps can be answered be over."""
        self._open_taps.clear()

    def add_update(self, update: Mapping[str, Any]) -> int:
        """Add any update; return its id."""
        with self._changed:
            return self._add(update)

    def _add(self, update: Mapping[str, Any]) -> int:
        number = self.next_update_id
        self.next_update_id += 1
        if not self.allowed_updates or set(self.allowed_updates) & set(update):
            self.updates.append({"update_id": number, **update})
            self._changed.notify_all()
        return number

    def _get_updates(self, token: str, request: Request) -> Answer:
        asked = json.loads(request.body or b"{}")
        if self.webhook:
            return refused(409, "Conflict: can't use getUpdates method while webhook is active; delete it first")
        if self.read_elsewhere:
            return refused(409, _OTHER_POLLER)
        mine = self._polls[token] = self._polls.get(token, 0) + 1
        self._changed.notify_all()  # a poll that was held until now is over
        self.allowed_updates = asked.get("allowed_updates", self.allowed_updates)
        found = telegram_updates.taken(self.updates, asked.get("offset"), asked.get("limit", 100))
        if not found:
            self.hold(lambda: bool(self.updates) or self._polls[token] != mine, self._poll_s(asked))
            found = telegram_updates.taken(self.updates, None, asked.get("limit", 100))
        return result_of(found) if self._polls[token] == mine else refused(409, _OTHER_POLLER)

    def _poll_s(self, asked: Mapping[str, Any]) -> float:
        return min(float(asked.get("timeout", 0)), self.longest_poll_s)

    def _answer_tap(self, _token: str, request: Request) -> Answer:
        asked = json.loads(request.body)
        if asked.get("callback_query_id") not in self._open_taps:
            return refused(400, "Bad Request: query is too old and response timeout expired or query ID is invalid")
        self._open_taps.discard(asked["callback_query_id"])
        self.answered_taps.append(asked)
        return result_of(result=True)

    def _next_message_id(self) -> int:
        self._last_message_id += 1
        return self._last_message_id
