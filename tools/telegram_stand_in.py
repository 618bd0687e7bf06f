"""A stand-in for Telegram's Bot API on loopback: accepts what Telegram would accept and shows what arrived.

`python -m tools.telegram_stand_in --port 8081`, then `TELEGRAM_API_URL=http://127.0.0.1:8081`. What is typed there taps
buttons and writes to the bot (`telegram_phone`). Tests drive the same class, script its misbehaviour and switch on its
limits.
"""

from __future__ import annotations

import argparse
import json
import re
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any, TextIO

from tools.scripted_server import Answer, Request
from tools.telegram_inbox import TelegramInbox, refused, result_of
from tools.telegram_phone import HELP, Phone, readable
from tools.telegram_rules import EDIT_FIELDS, fault_of

_PATH = re.compile(r"/bot([^/]+)/(\w+)")


@dataclass(frozen=True, slots=True)
class Received:
    """One accepted message."""

    at_s: float
    token: str
    chat_id: str
    thread_id: int | None
    silent: bool
    text: str
    entities: tuple[Mapping[str, Any], ...]
    message_id: int
    payload: Mapping[str, Any]
    reply_to: int | None = None

    def marked(self, kind: str) -> list[str]:
        """Return the texts under the entities of one type."""
        units = self.text.encode("utf-16-le")
        return [
            units[2 * entity["offset"] : 2 * (entity["offset"] + entity["length"])].decode("utf-16-le")
            for entity in self.entities
            if entity["type"] == kind
        ]


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `count` messages in `window_s` seconds."""

    count: int
    window_s: float


PER_CHAT = Limit(1, 1)
PER_GROUP = Limit(20, 60)
PER_BOT = Limit(30, 1)


@dataclass(slots=True)
class _Window:
    limit: Limit
    times_s: deque[float] = field(default_factory=deque)

    def wait_s(self, now_s: float) -> float:
        """Return how long to wait until one more fits, 0 if it does now."""
        while self.times_s and self.times_s[0] <= now_s - self.limit.window_s:
            self.times_s.popleft()
        if len(self.times_s) < self.limit.count:
            return 0.0
        return self.times_s[0] + self.limit.window_s - now_s


class TelegramStandIn(TelegramInbox):
    """A Bot API that sends and can be set up; every token and chat is known unless `tokens` or `chats` are given."""

    def __init__(
        self,
        *,
        port: int = 0,
        clock: Callable[[], float] = time.monotonic,
        limits: bool = False,
        tokens: Iterable[str] | None = None,
        chats: Iterable[str] | None = None,
        output: TextIO | None = None,
    ) -> None:
        super().__init__(port=port, clock=clock)
        self.messages: list[Received] = []
        self.tokens = None if tokens is None else set(tokens)
        self.chats = None if chats is None else set(chats)
        self.kicked_from: set[str] = set()
        self.migrated: dict[str, str] = {}
        self.closed_topics: set[int] = set()
        self.unknown_entities: set[str] = set()  # as a server of an older version
        self.refuses_replies = False  # likewise
        self.refuses_edits = False
        self.refuses_buttons = False
        self.edits: list[Received] = []
        self._shown: dict[tuple[str, int], Received] = {}
        self._limits = limits
        self._windows: dict[str, _Window] = {}
        self._output = output

    def wait_for_messages(self, count: int, timeout_s: float = 30) -> list[Received]:
        """Wait for so many accepted messages and return them all.

        Raises:
            TimeoutError: fewer arrived.
        """
        if not self.wait_for(lambda: len(self.messages) >= count, timeout_s):
            raise TimeoutError(f"{len(self.messages)} of {count} messages arrived within {timeout_s} s")
        return list(self.messages)

    def respond(self, request: Request) -> Answer:
        """Judge as the Bot API does: token, method, request, chat, topic, limits; then accept."""
        path = _PATH.fullmatch(request.path)
        if path is None:
            return refused(404, "Not Found")
        token, method = path[1].replace("%3A", ":"), path[2]
        if self.tokens is not None and token not in self.tokens:
            return refused(401, "Unauthorized")
        about_messages = {
            "sendMessage": self._send_message,
            "editMessageText": self._edit_message,
            "deleteMessage": self._delete_message,
            "getUpdates": self._get_updates,
            "answerCallbackQuery": self._answer_tap,
        }
        return about_messages[method](token, request) if method in about_messages else self._about(method, request)

    def shown(self, chat_id: str) -> list[Received]:
        """Return the messages of a chat as its members see them now: edited ones as they are, deleted ones not."""
        return [each for (chat, _), each in self._shown.items() if chat == chat_id]

    def every_message(self) -> list[Received]:
        """Return the messages of all chats as they are now."""
        return list(self._shown.values())

    def delete(self, message: Received) -> None:
        """Delete a message, as a member of the chat does."""
        del self._shown[message.chat_id, message.message_id]

    def _about(self, method: str, request: Request) -> Answer:
        """Answer what a bot is asked while it is set up; reading updates confirms nothing unless an offset is given."""
        known: dict[str, Callable[[], Answer]] = {
            "getMe": lambda: result_of({"id": 1, "is_bot": True, "username": "stand_in_bot"}),
            "getWebhookInfo": lambda: result_of({"url": self.webhook, "pending_update_count": len(self.updates)}),
            "getChat": lambda: self._get_chat(str(json.loads(request.body)["chat_id"])),
        }
        return known[method]() if method in known else refused(404, "Not Found")

    def _get_chat(self, chat_id: str) -> Answer:
        if self.chats is not None and chat_id not in self.chats:
            return refused(400, "Bad Request: chat not found")
        kind = "supergroup" if chat_id.startswith("-") else "private"
        return result_of({"id": int(chat_id), "type": kind, "title": f"Chat {chat_id}"})

    def _send_message(self, token: str, request: Request) -> Answer:
        try:
            payload = json.loads(request.body)
        except ValueError:
            return refused(400, "Bad Request: can't parse JSON object")
        fault = fault_of(payload)
        if fault:
            return refused(400, f"Bad Request: {fault}")
        if any(entity["type"] in self.unknown_entities for entity in payload.get("entities", ())):
            return refused(400, "Bad Request: can't parse MessageEntity: Unsupported type specified")
        if self.refuses_buttons and "reply_markup" in payload:
            return refused(400, "Bad Request: can't parse reply keyboard markup JSON object")
        refusal = self._refusal_of_chat(payload) or self._refusal_of_reply(token, payload)
        return refusal or self._too_many(token, payload) or self._accept(token, payload)

    def _refusal_of_reply(self, token: str, payload: Mapping[str, Any]) -> Answer | None:
        """Refuse what answers a message that this chat and topic do not have, unless it may go without."""
        reply = payload.get("reply_parameters")
        if reply is None:
            return None
        if self.refuses_replies:
            return refused(400, "Bad Request: REPLY_TO_INVALID")
        if self._answered(token, payload) is None and not reply.get("allow_sending_without_reply"):
            return refused(400, "Bad Request: message to be replied not found")
        return None

    def _answered(self, token: str, payload: Mapping[str, Any]) -> int | None:
        """Return the message that a request answers; ids of a chat that became a supergroup mean nothing there."""
        reply = payload.get("reply_parameters")
        found = self._shown.get((str(payload["chat_id"]), reply["message_id"])) if reply else None
        if found is None or found.token != token or found.thread_id != payload.get("message_thread_id"):
            return None
        return found.message_id

    def _edit_message(self, token: str, request: Request) -> Answer:
        payload = json.loads(request.body)
        fault = fault_of(payload, EDIT_FIELDS)
        if fault:
            return refused(400, f"Bad Request: {fault}")
        place = str(payload["chat_id"]), payload.get("message_id")
        before = self._shown.get(place)
        if before is None or before.token != token:
            return refused(400, "Bad Request: message to edit not found")
        if self.refuses_edits:
            return refused(400, "Bad Request: message can't be edited")
        same = all(before.payload.get(name) == payload.get(name) for name in ("text", "entities", "reply_markup"))
        if same:
            return refused(400, "Bad Request: message is not modified")
        entities = tuple(payload.get("entities", ()))
        after = replace(before, text=payload["text"], entities=entities, payload={**before.payload, **payload})
        if "reply_markup" not in payload:  # an edit without buttons takes them away
            after = replace(after, payload={k: v for k, v in after.payload.items() if k != "reply_markup"})
        self._shown[place] = after
        self.edits.append(after)
        if self._output is not None:
            print(readable(after, "changed message"), file=self._output, flush=True)
        return result_of({"message_id": after.message_id, "text": after.text})

    def _answer_tap(self, token: str, request: Request) -> Answer:
        answer = super()._answer_tap(token, request)
        if self._output is not None and answer.status == HTTPStatus.OK:
            said = self.answered_taps[-1].get("text", "")
            print(f"Telegram stand-in: who tapped reads: {said}", file=self._output, flush=True)
        return answer

    def _delete_message(self, token: str, request: Request) -> Answer:
        payload = json.loads(request.body)
        found = self._shown.get((str(payload["chat_id"]), payload["message_id"]))
        if found is None or found.token != token:
            return refused(400, "Bad Request: message to delete not found")
        self.delete(found)
        return result_of(result=True)

    def _refusal_of_chat(self, payload: Mapping[str, Any]) -> Answer | None:
        chat_id, thread_id = str(payload["chat_id"]), payload.get("message_thread_id")
        if chat_id in self.migrated:
            text = "Bad Request: group chat was upgraded to a supergroup chat"
            return refused(400, text, migrate_to_chat_id=int(self.migrated[chat_id]))
        if self.chats is not None and chat_id not in self.chats:
            return refused(400, "Bad Request: chat not found")
        if chat_id in self.kicked_from:
            return refused(403, "Forbidden: bot was kicked from the supergroup chat")
        if thread_id in self.closed_topics:
            return refused(400, "Bad Request: TOPIC_CLOSED")
        return None

    def _too_many(self, token: str, payload: Mapping[str, Any]) -> Answer | None:
        """Apply the published limits: a message a second and chat, 20 a minute and group, 30 a second and bot."""
        if not self._limits:
            return None
        chat_id, now_s = str(payload["chat_id"]), self.now_s()
        windows = [self._window(f"chat {token} {chat_id}", PER_CHAT), self._window(f"bot {token}", PER_BOT)]
        if chat_id.startswith(("-", "@")):
            windows.append(self._window(f"group {token} {chat_id}", PER_GROUP))
        wait_s = max(window.wait_s(now_s) for window in windows)
        if wait_s > 0:
            seconds = max(1, -int(-wait_s // 1))
            return refused(429, f"Too Many Requests: retry after {seconds}", retry_after=seconds)
        for window in windows:
            window.times_s.append(now_s)
        return None

    def _window(self, name: str, limit: Limit) -> _Window:
        return self._windows.setdefault(name, _Window(limit))

    def _accept(self, token: str, payload: Mapping[str, Any]) -> Answer:
        received = Received(
            at_s=self.now_s(),
            token=token,
            chat_id=str(payload["chat_id"]),
            thread_id=payload.get("message_thread_id"),
            silent=bool(payload.get("disable_notification")),
            text=payload["text"],
            entities=tuple(payload.get("entities", ())),
            message_id=self._next_message_id(),
            payload=payload,
            reply_to=self._answered(token, payload),
        )
        self.messages.append(received)
        self._shown[received.chat_id, received.message_id] = received
        if self._output is not None:
            print(readable(received), file=self._output, flush=True)
        return Answer.of_json(200, {"ok": True, "result": {"message_id": received.message_id, "text": received.text}})


def main() -> None:
    parser = argparse.ArgumentParser(description="Stand in for Telegram's Bot API on loopback and print what arrives.")
    parser.add_argument("--port", type=int, default=8081)
    parser.add_argument(
        "--without-date-time", action="store_true", help="refuse the entity date_time, as old servers do"
    )
    parser.add_argument("--limits", action="store_true", help="answer 429 beyond Telegram's published limits")
    parser.add_argument("--account", type=int, default=111111, help="who taps and writes (default 111111)")
    arguments = parser.parse_args()
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with TelegramStandIn(port=arguments.port, limits=arguments.limits, output=sys.stdout) as stand_in:
        stand_in.unknown_entities |= {"date_time"} if arguments.without_date_time else set()
        print(f"Telegram stand-in: TELEGRAM_API_URL={stand_in.url}", flush=True)
        if sys.stdin is not None:
            print(HELP, flush=True)
            threading.Thread(target=_obey, args=(Phone(stand_in, arguments.account),), daemon=True).start()
        stop.wait()


def _obey(phone: Phone) -> None:
    for line in sys.stdin:
        if said := phone.do(line):
            print(said, flush=True)


if __name__ == "__main__":
    main()
