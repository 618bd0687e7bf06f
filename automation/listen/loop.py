"""The reader: polls for updates, has each handled, confirms them, sends the answers; one for each bot.

An offset is sent once, with the poll after a batch, to confirm that batch. Later polls ask for what is not confirmed:
after a week without updates Telegram begins with a lower number, which an offset kept for long would throw away unread.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

from automation.listen.answers import AnswerQueue, Handled
from automation.listen.dispatch import Dispatcher
from automation.listen.updates import ALLOWED, Update, read_update
from monitoring.alerts.senders.telegram.bot import BotAccount, BotError, BotProblem
from monitoring.base.clock import Clock
from monitoring.base.errors import StoreError
from monitoring.base.http.retry import Backoff
from monitoring.base.locks.chat_reader import ReaderState, state_of_poll, write_state

log = logging.getLogger("automation.listen")

POLL_S = 30  # Telegram holds a poll that long; shorter than what routers forget a quiet connection after
_AROUND_POLL_S = 15.0
_BATCH = 50
MAX_ANSWER_BYTES = 16_000_000  # of one answer: 50 messages of 4096 characters with all that Telegram says around them
_PATIENCE = Backoff(first_s=2.0, cap_s=60.0)
# Another reader: asked again rarely, since each poll of ours ends one of its.
_CONFLICT_S = 60.0
_T = TypeVar("_T")


@dataclass(slots=True)
class ChatReader:
    """Reads one bot. `wake` is called when alerts were stored; while `is_waiting` an interrupt loses nothing."""

    bot: BotAccount
    dispatcher: Dispatcher
    answers: AnswerQueue
    locks: Path
    clock: Clock
    wait: Callable[[float], object] = time.sleep
    wake: Callable[[], None] = lambda: None
    stop: threading.Event = field(default_factory=threading.Event)
    state: ReaderState = field(default_factory=ReaderState)
    is_waiting: bool = False
    _offset: int | None = None
    _failures: int = 0
    _answer_in_s: float | None = 0.0

    def run(self, until: Callable[[], bool] = lambda: False) -> None:
        """Read until `stop` is set or `until` says so, which is asked between polls."""
        while not self.stop.is_set() and not until():
            wait_s = self.turn()
            if wait_s > 0:
                self._waiting(partial(self.wait, wait_s))

    def _waiting(self, act: Callable[[], _T]) -> _T | None:
        self.is_waiting = True
        try:
            return None if self.stop.is_set() else act()
        finally:
            self.is_waiting = False

    def turn(self) -> float:
        """Poll once and handle what came; return how long to wait before the next turn, in seconds."""
        try:
            self._know_name()
            updates = self._poll()
            self._handle(updates)
            # After what came is handled: who asks whether it is read (a drill that waits) may count on its answers.
            self._report("")
            self._failures = 0
            self._answer_in_s = self.answers.send_due(self.clock.now())
        except BotError as error:
            return self._patience(error)
        except StoreError as error:
            self._failures += 1
            log.warning("reading the chat waits, the store failed: %s", error)
            self._report(f"the database cannot be used: {error}")
            return _PATIENCE.delay_s(self._failures)
        return 0.0

    def _know_name(self) -> None:
        if not self.dispatcher.username:
            self.dispatcher.username = self.bot.username()
            self.state = ReaderState(self.dispatcher.bot, self.dispatcher.username)
            log.info("reading what is written to @%s", self.dispatcher.username)

    def _poll(self) -> list[object]:
        # While an answer waits for its time the poll is short: an empty one would hold it up.
        timeout = POLL_S if self._answer_in_s is None else min(POLL_S, int(self._answer_in_s))
        asked: dict[str, object] = {"timeout": timeout, "limit": _BATCH, "allowed_updates": list(ALLOWED)}
        if self._offset is not None:
            asked["offset"] = self._offset
        found = self._waiting(lambda: self.bot.ask("getUpdates", within_s=timeout + _AROUND_POLL_S, **asked))
        self._offset = None
        return found if isinstance(found, list) else []

    def _handle(self, updates: list[object]) -> None:
        """Handle a batch in its order; what is not written yet is not confirmed."""
        for raw in updates:
            update = read_update(raw)
            if update is None:
                continue
            handled = self._handle_one(update)
            if handled is not None and handled.wakes:
                self.wake()
            self._offset = max(self._offset or 0, update.update_id + 1)

    def _handle_one(self, update: Update) -> Handled | None:
        """Handle one update; one that nobody foresaw is given up, for it would come again and stop all others."""
        try:
            return self.dispatcher.handle(update, self.clock.now())
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001 - the border of one update: it must end neither reader nor minutes
            # Only the kind: the text of an unforeseen error may hold what a stranger wrote.
            log.error("an update is given up: %s", type(error).__name__)  # noqa: TRY400 - likewise
            return None

    def _patience(self, error: BotError) -> float:
        self._failures += 1
        if error.problem is BotProblem.OTHER_READER:
            words, wait_s = conflict_words(str(error), self.dispatcher.username), _CONFLICT_S
        elif error.problem is BotProblem.TOKEN_REFUSED:
            words, wait_s = f"the bot's token was refused ({error}): set a valid one and restart", _CONFLICT_S
        else:
            words, wait_s = str(error), max(_PATIENCE.delay_s(self._failures), min(error.retry_after_s or 0, 600.0))
        if self.state.problem != words:
            log.warning("the chat is not read: %s", words)
        self._report(words)
        return wait_s

    def _report(self, problem: str) -> None:
        if not problem and self.state.problem:
            log.info("the chat is read again")
        self.state = state_of_poll(self.state, self.clock.now(), problem)
        write_state(self.locks, self.state)


def conflict_words(said: str, username: str) -> str:
    """Return who reads the bot instead, as far as Telegram says, and what to do."""
    bot = f"@{username}" if username else "this bot"
    if "webhook" in said:
        return f"a webhook gets the updates of {bot}: delete it (deleteWebhook), or set the token of another bot"
    return f"another program reads the updates of {bot}: stop it, or set the token of another bot"
