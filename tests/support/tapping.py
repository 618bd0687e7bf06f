"""People who tap buttons: a store, its deliveries, the reader of the chat and a Bot API that shows what they see.

Everything is the product's, with a clock that is moved by hand; only the process around the reader is missing.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from automation.listen.answers import AnswerQueue
from automation.listen.dispatch import Dispatcher
from automation.listen.edits import Edits
from automation.listen.loop import ChatReader
from automation.on_call.chats import with_people
from automation.on_call.escalate import escalate
from automation.on_call.load import load_on_call
from automation.on_call.model import OnCall
from monitoring.alerts.message.model import Alert
from monitoring.alerts.recording.acknowledge import settle_in
from monitoring.alerts.recording.release_silenced import release_in
from monitoring.alerts.recording.reminders import remind_in
from monitoring.alerts.recording.store_alert import NOBODY, AlertOrigin, raise_in, resolve_in
from monitoring.alerts.senders.telegram.bot import BotAccount
from monitoring.base.clock import to_text
from monitoring.base.locks.chat_reader import KIND, ReaderState, write_state
from monitoring.base.locks.profile_lock import SingleLock, usable_locks
from monitoring.conditions.condition import Condition, ConditionKey
from monitoring.conditions.policy import Policy
from monitoring.store.db.handle import SteadyStore
from monitoring.store.tables import conditions
from tests.support.fake_telegram import BOT_TOKEN, CHAT, Received, TelegramStandIn
from tests.support.outbox import Outbox, settings_for

ALICE, BEN, STRANGER = 111111, 222222, 999999
BOT = BOT_TOKEN.partition(":")[0]
KEY = ConditionKey("aave", "backing")
HOUR = timedelta(hours=1)
AT = datetime(2026, 11, 30, 3, 12, tzinfo=UTC)
ON_CALL = f"""\
zone: UTC
people:
  alice: {{telegram_id: {ALICE}}}
  ben: {{telegram_id: {BEN}}}
  carla: {{telegram_id: 333333, enabled: false}}
rota: {{order: [ben], handover: monday 09:00, starts: 2026-11-23T09:00}}
escalation:
  critical: {{steps: [{{after: 5m, to: on-call}}, {{after: 15m, to: everybody}}], repeat: 30m}}
  high: {{steps: [{{after: 30m, to: on-call}}]}}
"""


class HandClock:
    """Shows what it is set to; what waits for a chat in a drain waits by a real watch, and ends."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return time.monotonic()


@dataclass
class Chat:
    """One host with its chats. `environ` adds to the environment."""

    directory: Path
    telegram: TelegramStandIn
    environ: Mapping[str, str] = field(default_factory=dict)
    clock: HandClock = field(default_factory=lambda: HandClock(AT))
    is_read: bool = True

    def __post_init__(self) -> None:
        self.telegram.longest_poll_s = 0
        (self.directory / "on_call.yaml").write_text(ON_CALL)
        self.jobs_file = self.directory / "jobs.yaml"
        box = Outbox(self.directory, self.telegram.url, dict(self.environ), clock=self.clock)
        self.settings = with_people(settings_for(self.directory, box.environ), self.jobs_file)
        self.box = Outbox(self.directory, self.telegram.url, dict(self.settings.environ), clock=self.clock)
        box.close()
        self._lock = SingleLock(usable_locks(self.settings.locks), KIND)
        if self.is_read:
            self._lock.take_or_refuse()
        self.restart()

    def restart(self) -> None:
        """Start the reader again: what it knew beyond the store is gone."""
        store = SteadyStore(self.box.path, self.clock)
        account = BotAccount.of(BOT_TOKEN, self.settings.environ)
        self.dispatcher = Dispatcher(self.settings, store, self.team, BOT, "stand_in_bot")
        answers = AnswerQueue(store, account)
        self.reader = ChatReader(
            account, self.dispatcher, answers, self.settings.locks, self.clock, lambda _s: None, lambda: None
        )
        self.edits = Edits(SteadyStore(self.box.path, self.clock), account, BOT, self.clock)

    def close(self) -> None:
        self._lock.release()
        self.box.close()

    def team(self) -> OnCall | None:
        return load_on_call(self.directory / "on_call.yaml")

    def passes(self, by: timedelta) -> None:
        self.clock.at += by

    # -- what happens on the host --------------------------------------------------------------------------------------

    def fires(
        self, severity: str = "CRITICAL", key: ConditionKey = KEY, text: str = "backing is 93 %", **more: Any
    ) -> None:
        """Let a script raise its condition, reminders included, and deliver."""
        alert = Alert(
            severity, text, *more.pop("blocks", ()), protocol=more.pop("protocol", key.monitor), key=key.check, **more
        )
        now = self.clock.now()
        with self.box.database.write() as tx:
            found = raise_in(tx, alert, now=now, key=key, policy=Policy(remind=HOUR), reminds_later=True)
            remind_in(tx, [found.due] if found.due else [], now, NOBODY)
        self.delivers()

    def recovers(self, key: ConditionKey = KEY) -> None:
        with self.box.database.write() as tx:
            resolve_in(tx, key, now=self.clock.now())
        self.delivers()

    def delivers(self) -> None:
        """Deliver what waits, as a run does, with the reader alive meanwhile."""
        if self.is_read:
            write_state(self.settings.locks, ReaderState(BOT, "stand_in_bot", to_text(self.clock.now())))
        with self.box.database.write() as tx:
            release_in(tx, self.clock.now())
            settle_in(tx, self.clock.now())
        self.box.drain()

    def escalates(self) -> int:
        team = self.team()
        assert team is not None
        asked = escalate(self.box.database, team, self.clock.now(), AlertOrigin())
        self.delivers()
        return asked

    def reads(self) -> list[str]:
        """Let the reader handle what people did, deliver what came of it, change messages; return what it answered."""
        before = len(self.telegram.answered_taps)
        while self.telegram.updates:
            self.reader.turn()
        self.reader.turn()  # confirms the last ones
        self.delivers()
        self.shows()
        return [str(each.get("text", "")) for each in self.telegram.answered_taps[before:]]

    def shows(self) -> None:
        """Change messages until none is left to be changed."""
        while (wait := self.edits.look()) is not None:
            self.passes(timedelta(seconds=wait))

    # -- what people do and see ----------------------------------------------------------------------------------------

    def taps(self, account: int, label: str, message: Received | None = None, **more: Any) -> list[str]:
        """Tap the button of a label, under the newest message with buttons unless one is given; return the answers."""
        shown = self.now_shown(message) if message else self.newest()
        self.telegram.tap(account, data_under(shown, label), shown, **more)
        return self.reads()

    def newest(self, chat: str = CHAT) -> Received:
        """Return the newest message of a chat that has buttons, as it is shown now."""
        return [each for each in self.telegram.shown(chat) if labels(each)][-1]

    def now_shown(self, message: Received) -> Received:
        found = [each for each in self.telegram.shown(message.chat_id) if each.message_id == message.message_id]
        return found[0]

    def condition(self, key: ConditionKey = KEY) -> Condition:
        found = self.box.database.read(lambda tx: conditions.get(tx, key))
        assert found is not None
        return found

    def outcomes(self) -> list[str]:
        return [row[0] for row in self.box.database.rows("SELECT outcome FROM handled_updates ORDER BY id")]

    def held(self) -> list[tuple[str, str]]:
        """Return who has which condition by the rows that are not ended."""
        return self.box.database.rows(  # type: ignore[return-value]
            "SELECT by, monitor || '/' || check_name FROM acknowledgements WHERE ended_at IS NULL ORDER BY id"
        )

    def muted(self) -> list[tuple[str, str, str]]:
        return self.box.database.rows(  # type: ignore[return-value]
            "SELECT created_by, protocol, key FROM narrow_silences ORDER BY id"
        )


def labels(message: Received) -> list[list[str]]:
    """Return the rows of buttons under a message."""
    markup = message.payload.get("reply_markup", {"inline_keyboard": []})
    return [[button["text"] for button in row] for row in markup["inline_keyboard"]]


def data_under(message: Received, label: str) -> str:
    """Return what the button of a label holds."""
    rows = message.payload["reply_markup"]["inline_keyboard"]
    return next(button["callback_data"] for row in rows for button in row if button["text"] == label)


@contextmanager
def chat(directory: Path, **more: Any) -> Iterator[Chat]:
    with TelegramStandIn() as telegram:
        found = Chat(directory, telegram, **more)
        try:
            yield found
        finally:
            found.close()
