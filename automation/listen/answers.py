"""What is sent to Telegram because of an update: calls of the Bot API, stored with the effect, sent after it.

At least once: a call is forgotten when Telegram has taken it, has refused it for good, or nobody waits for it any more.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from monitoring.alerts.senders.telegram.bot import BotAccount, BotError, BotProblem
from monitoring.base.errors import StoreError
from monitoring.store.db.handle import SteadyStore
from monitoring.store.people import handled_updates

log = logging.getLogger("automation.listen")

_MOST_AT_ONCE = 20  # between two polls
_MOST_LOOKED_AT = 1000  # more than within ten minutes may be asked for
_CALL_LIMIT_S, _RETRY_S, _LONGEST_WAIT_S = 10.0, 5.0, 600.0


@dataclass(frozen=True, slots=True)
class BotCall:
    """One call of the Bot API: a method such as `sendMessage` and its parameters, as JSON may hold them."""

    method: str
    parameters: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Handled:
    """What came of an update: in words for the row, and the calls that follow.

    Nobody waits for the calls longer than `within`: after it they are dropped. `wakes` says that alerts were stored,
    which are delivered at once.
    """

    outcome: str
    calls: tuple[BotCall, ...] = ()
    within: timedelta = timedelta(minutes=10)
    wakes: bool = False


def as_text(calls: Sequence[BotCall]) -> str:
    """Return calls as the store keeps them; nothing for none."""
    return json.dumps([[call.method, dict(call.parameters)] for call in calls]) if calls else ""


def of_text(text: str) -> list[BotCall]:
    return [BotCall(str(method), parameters) for method, parameters in json.loads(text)]


def message_to(chat_id: str, text: str, *, topic: int | None = None, reply_to: int = 0) -> BotCall:
    """Return the call that writes a plain text to a chat, as an answer to a message there if one is named."""
    parameters: dict[str, object] = {
        "chat_id": int(chat_id), "text": text, "link_preview_options": {"is_disabled": True},
    }  # fmt: skip
    if topic is not None:
        parameters["message_thread_id"] = topic
    if reply_to:
        parameters["reply_parameters"] = {"message_id": reply_to, "allow_sending_without_reply": True}
    return BotCall("sendMessage", parameters)


class AnswerQueue:
    """Sends what the store holds to be sent. A chat that asked to wait holds up what goes there and nothing else."""

    def __init__(self, store: SteadyStore, bot: BotAccount) -> None:
        self._store = store
        self._bot = bot
        self._not_before: dict[str, datetime] = {}

    def send_due(self, now: datetime) -> float | None:
        """Send what is stored, the oldest first; return in how many seconds to try again, None if nothing is left.

        Raises:
            StoreError: what is to be sent cannot be read, or that it was sent cannot be written.
        """
        # What would wait for longer is of a clock that was ahead.
        longest = now + timedelta(seconds=_LONGEST_WAIT_S)
        self._not_before = {place: at for place, at in self._not_before.items() if now < at <= longest}
        rows = self._store.read(lambda database: database.read(lambda tx: handled_updates.unsent(tx, _MOST_LOOKED_AT)))
        tried = 0
        for row_id, text, until in rows:
            if tried == _MOST_AT_ONCE:
                return 0.0
            try:
                tried += self._send_row(row_id, [] if now > until else of_text(text), now)
            except BotError as error:
                log.warning("no answer can be sent: %s", error)
                return _RETRY_S
            except StoreError:
                raise
            except Exception as error:  # noqa: BLE001 - the border of one row: it would stop all others
                # Only the kind: the text of an unforeseen error may hold what a stranger wrote.
                log.error("an answer is given up: %s", type(error).__name__)  # noqa: TRY400 - likewise
                self._write_off(row_id, [])
        return min(((at - now).total_seconds() for at in self._not_before.values()), default=None)

    def _send_row(self, row_id: int, calls: list[BotCall], now: datetime) -> bool:
        """Send the calls of one update in their order, each written off once it is done; return whether any was tried.

        Raises:
            BotError: the server does not answer.
        """
        if not calls:
            self._write_off(row_id, calls)
        for number, call in enumerate(calls):
            # Messages to a chat wait together; what answers a tap goes to no chat, and waits alone.
            place = str(call.parameters.get("chat_id", f"row {row_id}"))
            if place in self._not_before:
                return number > 0
            try:
                self._bot.ask(call.method, within_s=_CALL_LIMIT_S, **call.parameters)
            except BotError as error:
                if error.problem is BotProblem.NO_ANSWER:
                    raise
                if error.is_transient:
                    log.warning("an answer waits: %s", error)
                    wait_s = min(error.retry_after_s or _RETRY_S, _LONGEST_WAIT_S)
                    self._not_before[place] = now + timedelta(seconds=wait_s)
                    return True
                log.warning("an answer was refused: %s", error)
            self._write_off(row_id, calls[number + 1 :])
        return bool(calls)

    def _write_off(self, row_id: int, left: list[BotCall]) -> None:
        self._store.write(lambda tx: handled_updates.set_calls(tx, row_id, as_text(left)))
