"""Alerts raised before, while and after a simulated clock is wrong, for chats that fail while it is; and their way.

A watch beside the host notes by the true time when each was raised, when its chat was asked and when it arrived.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from monitoring.alerts.delivery.lease import Claimer
from monitoring.alerts.delivery.outbox import LONGEST
from monitoring.alerts.delivery.pace import Pace
from monitoring.alerts.delivery.routes import RouteResolver
from monitoring.alerts.message.model import Alert
from monitoring.alerts.recording.store_alert import record
from monitoring.base.http.retry import Backoff
from monitoring.store.db.schema import open_database
from monitoring.store.tables import outbox
from tests.support.fake_telegram import CHAT, Answer, error, too_many_requests
from tests.support.outbox import FAST
from tests.support.simulated_host import Chat, SimulatedHost
from tools.scripted_server import Request

MINUTE = timedelta(minutes=1)
WELL, OLD = "well", "old"
# A channel each, with a chat of its own, and what that answers while the clock is wrong.
_FAILING = {
    "broken": error(500, "Internal Server Error"),
    "refusing": error(403, "Forbidden: bot was kicked from the supergroup chat"),
    "unknown": error(400, "Bad Request: chat not found"),
    # One chat alone: that two chats are asked to wait at once means their bot, and all of its chats wait.
    "flooded": too_many_requests(7 * 86_400),
    OLD: error(403, "Forbidden: bot was kicked from the supergroup chat"),
}
_CHATS = {WELL: CHAT, **{channel: f"-10{number}" for number, channel in enumerate(_FAILING)}}
_BEFORE, _SOON, _LATER = -15 * MINUTE, 4 * MINUTE, timedelta(hours=4)


class MoodyChat(Chat):
    """A Bot API whose chats fail for a while. It notes by the true time which chat was asked when."""

    host: SimulatedHost
    is_failing = False

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[str, datetime]] = []
        self.arrived: dict[str, datetime] = {}

    def respond(self, request: Request) -> Answer:
        sent = json.loads(request.body)
        channel = next(name for name, chat in _CHATS.items() if chat == str(sent["chat_id"]))
        self.asked.append((channel, self.host.clock.true))
        if self.is_failing and channel in _FAILING:
            return _FAILING[channel]
        title = sent["text"].split("\n")[0].partition(": ")[2]
        self.arrived.setdefault(title, self.host.clock.true)
        return super().respond(request)


@dataclass
class Alerts:
    """What is raised on one host."""

    host: SimulatedHost
    chat: MoodyChat
    raised: dict[str, tuple[str, datetime]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.chat.host = self.host
        self.host.environ |= {f"TELEGRAM_CHAT_ID_{name.upper()}": chat for name, chat in _CHATS.items()}

    def plant(self, since: datetime, until: datetime) -> None:
        """Around a clock that is wrong in [since, until): alerts, failures, and deliverers that die at both steps."""
        for at in (since + _BEFORE, since + _SOON, until + _SOON, until + _LATER):
            self.host.at(at, self._raise_everywhere)
        self.host.at(since + _BEFORE - MINUTE, lambda: self._raise_old(until))
        self.host.at(since + _BEFORE, lambda: self._fail(is_failing=True))
        self.host.at(until + MINUTE, lambda: self._fail(is_failing=False))
        for hours in range(1, 5):  # as every run does; by this the deliverer knows how long a pause is usual
            self.host.at(since + _BEFORE - 60 * hours * MINUTE, self.host.look_at_outbox)
        for step in (since, until):
            self.host.at(step - MINUTE / 2, self._die_sending)

    def _fail(self, *, is_failing: bool) -> None:
        self.chat.is_failing = is_failing

    def _raise_everywhere(self) -> None:
        for channel in _CHATS:
            if channel != OLD:
                for severity in ("LOW", "CRITICAL"):
                    self._raise(channel, severity, self.host.clock.now())

    def _raise_old(self, until: datetime) -> None:
        """One that, when the clock is right again, is still an hour and a half too young to be given up."""
        self._raise(OLD, "LOW", until - LONGEST + 90 * MINUTE)

    def _raise(self, channel: str, severity: str, now: datetime) -> None:
        title = f"{channel} {severity} {len(self.raised)}"
        with open_database(self.host.settings.database) as database:
            record(database, Alert(severity, title, protocol=channel), now=now)
        self.raised[title] = (channel, self.host.clock.true)

    def _die_sending(self) -> None:
        """A deliverer takes what it can get and is killed before it sends: its leases stay."""
        ways = RouteResolver(self.host.environ)
        with open_database(self.host.settings.database) as database, database.write() as tx:
            queues, _ = ways.sort_out(outbox.groups(tx))
            Claimer(ways, Pace("dead", FAST, Backoff(), lambda: 0.0)).claim(tx, queues, self.host.clock.now(), [])

    # -- what a watch saw ----------------------------------------------------------------------------------------------

    def lost(self) -> list[str]:
        return [title for title in self.raised if title not in self.chat.arrived]

    def late(self, longest: timedelta, runs: Sequence[datetime]) -> list[tuple[str, timedelta]]:
        """Return those whose chat was not asked for longer than `longest` while they waited, and for how long.

        What goes to a chat that accepted everything all the time is delivered by the next of the `runs`.
        """
        found = []
        for title, (channel, raised_at) in self.raised.items():
            arrived_at = self.chat.arrived.get(title, self.host.clock.true)
            asked = [at for name, at in self.chat.asked if name == channel and raised_at <= at < arrived_at]
            wait = _longest_gap([raised_at, *asked, arrived_at])
            next_run = min((at for at in runs if at >= raised_at), default=self.host.clock.true)
            if wait > (next_run + MINUTE - raised_at if channel == WELL else longest):
                found.append((title, wait))
        return found

    def not_delivered(self) -> list[tuple[object, ...]]:
        """Return what the outbox says of those that it does not call delivered, and of those it forgot."""
        with open_database(self.host.settings.database) as database:
            rows = database.rows("SELECT title, delivery_status, delivery_error FROM alert_events")
        said = {row[0]: row for row in rows}
        return [
            said.get(title, (title, "forgotten")) for title in self.raised if said.get(title, "  ")[1] != "delivered"
        ]


def _longest_gap(instants: Sequence[datetime]) -> timedelta:
    return max(after - before for before, after in itertools.pairwise(instants))
