"""A reader of the chat over a real store and a stand-in Bot API, turned by hand with a clock of its own."""

from __future__ import annotations

from pathlib import Path

from automation.listen.answers import AnswerQueue
from automation.listen.dispatch import Dispatcher
from automation.listen.loop import MAX_ANSWER_BYTES, ChatReader
from automation.listen.minutes import Minutes
from automation.on_call import path_of
from automation.on_call.load import load_on_call
from automation.on_call.model import OnCall
from monitoring.alerts.message.model import Alert, Severity
from monitoring.alerts.recording.store_alert import raise_in, resolve_in
from monitoring.alerts.senders.telegram.bot import BotAccount
from monitoring.base.http.client import HttpClient
from monitoring.base.locks.profile_lock import make_private_directory
from monitoring.base.settings import Settings
from monitoring.conditions.condition import ConditionKey
from monitoring.store.db.handle import SteadyStore
from tests.support.chain_clock import ManualClock
from tests.support.fake_telegram import BOT_TOKEN, CHAT, TelegramStandIn
from tests.support.outbox import Outbox, settings_for

ANA, BEN, STRANGER = 111, 222, 666
BOT_ID = BOT_TOKEN.partition(":")[0]
TEAM = """
zone: Europe/Berlin
people: {ana: {telegram_id: 111}, ben: {telegram_id: 222}}
rota: {order: [ana, ben], handover: monday 09:00, starts: 2026-10-12T09:00}
escalation:
  critical: {steps: [{after: 5m, to: on-call}, {after: 15m, to: everybody}], repeat: 30m}
"""


class ChatHost:
    """A host whose chat is read. `turn` polls once and returns what was written to chats since."""

    def __init__(self, folder: Path, telegram: TelegramStandIn, **environ: str) -> None:
        telegram.longest_poll_s = 0
        self.telegram = telegram
        self.clock = ManualClock()
        self.outbox = Outbox(folder, telegram.url, environ=environ, clock=self.clock)
        self.settings: Settings = settings_for(folder, self.outbox.environ)
        self.jobs = folder / "jobs.yaml"
        self.on_call = path_of(self.jobs)
        self.on_call.write_text(TEAM)
        make_private_directory(self.settings.locks)
        self.start()

    def start(self) -> None:
        """Start a reader, as after a restart of the process."""
        bot = BotAccount(
            BOT_TOKEN, self.settings.environ, HttpClient(self.settings.environ, max_bytes=MAX_ANSWER_BYTES), 5
        )
        self.store = SteadyStore(self.settings.database, self.clock)
        self.dispatcher = Dispatcher(self.settings, self.store, self.team, BOT_ID)
        self.waits: list[float] = []
        self.reader = ChatReader(
            bot, self.dispatcher, AnswerQueue(self.store, bot), self.settings.locks, self.clock, self.clock.sleep
        )
        self.minutes = Minutes(self.settings, self.jobs, self.team, self.clock, self.outbox_drain)

    def outbox_drain(self, settings: Settings) -> None:
        self.outbox.drain(settings.environ)

    def team(self) -> OnCall | None:
        return load_on_call(self.on_call)

    def turn(self) -> list[tuple[str, str]]:
        """Poll once; return (chat, text) of what was written because of it."""
        before = len(self.telegram.messages)
        wait_s = self.reader.turn()
        self.waits.append(wait_s)
        return [(each.chat_id, each.text) for each in self.telegram.messages[before:]]

    def fire(self, key: str = "vault", severity: Severity = Severity.CRITICAL, title: str = "") -> None:
        with self.outbox.database.write() as tx:
            found = Alert(severity, title or f"the {key} is empty", protocol="acme", key=key)
            raise_in(tx, found, now=self.clock.now())
        self.outbox.drain()

    def end(self, key: str = "vault") -> None:
        with self.outbox.database.write() as tx:
            resolve_in(tx, ConditionKey("acme", key), now=self.clock.now())
        self.outbox.drain()

    def handled(self) -> list[tuple[int, str, str]]:
        """Return (account, what was said, outcome) of each update that was written, in order."""
        sql = "SELECT account, said, outcome FROM handled_updates ORDER BY id"
        return self.outbox.database.rows(sql)  # type: ignore[return-value]

    def close(self) -> None:
        self.store.close()
        self.outbox.close()


__all__ = ["ANA", "BEN", "BOT_ID", "CHAT", "STRANGER", "TEAM", "ChatHost"]
