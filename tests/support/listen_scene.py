"""The scene in which the reader of the chat is killed: taps, a command and an incident on which nobody acts.

Run as a process that forks a life for each line of JSON (`kill_scene.serve`). A life may end at its n-th step: a write
or sync of the database, or the moment before and after each call of the Bot API.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from automation.listen.answers import AnswerQueue, BotCall, Handled
from automation.listen.buttons import TapContext
from automation.listen.dispatch import Dispatcher
from automation.listen.loop import ChatReader
from automation.listen.minutes import Minutes
from automation.listen.updates import Update
from automation.on_call import path_of
from automation.on_call.load import load_on_call
from monitoring.alerts.delivery.loop import Delivery
from monitoring.alerts.senders.registry import load_senders
from monitoring.alerts.senders.telegram.bot import BotAccount
from monitoring.base.clock import SystemClock
from monitoring.base.http.client import HttpClient
from monitoring.base.http.retry import Backoff
from monitoring.base.settings import Settings
from monitoring.store.db.database import Tx
from monitoring.store.db.handle import SteadyStore
from monitoring.store.tables import state
from tests.support.fake_telegram import BOT_TOKEN, CHAT
from tests.support.kill_scene import CountingVfs, LateClock, serve
from tests.support.outbox import FAST


@dataclass(frozen=True, slots=True)
class ListenScene:
    """One life of the reader. `late_s` moves its clock."""

    directory: str
    telegram_url: str
    late_s: float = 0.0
    kill_at: int = 0


@dataclass(frozen=True, slots=True)
class _CountedBot(BotAccount):
    """A bot whose calls are steps, once before and once after."""

    def ask(self, method: str, *, within_s: float = 0, **parameters: object) -> object:
        _STEPS[0].step()
        found = BotAccount.ask(self, method, within_s=within_s, **parameters)
        _STEPS[0].step()
        return found


_STEPS: list[CountingVfs] = []


def counted(tap: Update, _person: str, tx: Tx, now: datetime, _context: TapContext) -> Handled:
    """An effect that shows when it happens twice: it counts."""
    sql = "SELECT value FROM monitor_state WHERE namespace = 'taps' AND key = ?"
    before = tx.execute(sql, (tap.data,)).fetchone()
    state.put(tx, "taps", tap.data, str(int(before[0] if before else 0) + 1), now)
    return Handled("done", (BotCall("answerCallbackQuery", {"callback_query_id": tap.query_id}),))


def live(scene: ListenScene) -> int:
    """Read what was written, ask people, deliver; return how many steps it took."""
    _STEPS[:] = [CountingVfs(scene.kill_at)]
    folder, clock = Path(scene.directory), LateClock(scene.late_s)
    environ = {
        "TELEGRAM_API_URL": scene.telegram_url, "TELEGRAM_BOT_TOKEN_DEFAULT": BOT_TOKEN,
        "TELEGRAM_CHAT_ID_DEFAULT": CHAT,
    }  # fmt: skip
    settings = Settings(environ, Path.cwd(), folder)
    jobs = folder / "jobs.yaml"
    bot = _CountedBot(BOT_TOKEN, environ, HttpClient(environ))
    store = SteadyStore(settings.database, clock)
    dispatcher = Dispatcher(settings, store, lambda: load_on_call(path_of(jobs)), "123456789", handle_tap=counted)
    reader = ChatReader(bot, dispatcher, AnswerQueue(store, bot), settings.locks, clock)

    def deliver(with_chats: Settings) -> None:
        delivery = Delivery(with_chats, settings.database, clock, limits=FAST, backoff=Backoff(0.02, 0.1))
        delivery.drain(SystemClock().now() + timedelta(seconds=scene.late_s + 10))

    minutes = Minutes(settings, jobs, dispatcher.team, clock, deliver)
    for _ in range(3):
        reader.turn()
        minutes.look()
    return _STEPS[0].steps


if __name__ == "__main__":
    load_senders()
    serve(sys.stdin.readline, lambda line: live(ListenScene(**json.loads(line))))
