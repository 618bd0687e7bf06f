"""Every message between the host and the people on call: what they see in the chat, and what a tap or command answers.

One night with a vault that holds too little, played through the product's own path against the stand-in Bot API.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from automation.drills.step import step
from automation.on_call.attempts import Attempts
from automation.on_call.pausing import announce_begin, announce_end
from automation.on_call.silencing import announce_silence
from monitoring.alerts.delivery.coalesce import alert_of
from monitoring.alerts.recording.acknowledge import acknowledge_in, end_in
from monitoring.alerts.recording.store_alert import NOBODY
from monitoring.alerts.senders.telegram.text import render_telegram
from monitoring.conditions.condition import ConditionKey
from monitoring.conditions.severity import Severity
from monitoring.conditions.silence import Silence
from monitoring.store.people import pauses, people_drills
from monitoring.store.people.pauses import PauseKind
from monitoring.store.tables import alerts, conditions, schedules
from monitoring.store.tables.schedules import Schedule
from tests.support.days import report, watched_host
from tests.support.fake_telegram import CHAT, Received
from tests.support.tapping import ALICE, BEN, HOUR, STRANGER, Chat, chat, data_under, labels
from utils.testing import SimChain, SimClock, run

VAULT = "0x83F20F44975D03b1b09e64809B757c47f942BEeA"
NAMES = {ALICE: "alice", BEN: "ben", STRANGER: "a stranger"}
MINUTE = timedelta(minutes=1)
MONITOR = f"""\
monitor: cap
chain: mainnet
contracts: {{vault: "{VAULT}", feed: "0x8fFfFfd4AfB6115b954Bd326cbe7B4BA576818f6"}}
functions: [held()(uint256), owed()(uint256), updatedAt()(uint256)]
values: {{held: vault.held(), owed: vault.owed()}}
checks:
  - {{id: backing, watch: held / owed, levels: [{{below: 1, severity: critical}}], text: stcUSD holds less than it owes,
     runbook: https://example.org/runbook}}
  - {{id: oracle, age: feed.updatedAt(), max: 1h, severity: high}}
"""


def messages(folder: Path) -> Iterator[str]:
    for number, (title, play) in enumerate(SCENES.items()):
        made = folder / str(number)
        made.mkdir()
        yield f"=== {title}\n"
        yield from play(made)


def _night(folder: Path) -> Iterator[str]:
    """Play an incident of which somebody is asked, who taps; and what is left of it at the end."""
    with chat(folder) as host:
        seen = _Seen(host)
        _fires(host)
        alert = next(each for each in host.telegram.shown(CHAT) if "stcUSD" in each.text)
        yield from seen.news()
        for passed in (5 * MINUTE, 10 * MINUTE):
            host.passes(passed)
            host.escalates()
            yield from seen.news()
        for account, label in (
            (BEN, "Details"), (BEN, "I have it"), (BEN, "I have it"), (ALICE, "I have it"), (ALICE, "Mute 1 h"),
            (BEN, "Mute 1 h"), (STRANGER, "I have it"),
        ):  # fmt: skip
            yield from seen.tap(account, label, alert)
        yield "[the message of the alert is now]\n" + _as_seen(host.now_shown(alert))
        for account, command, where in (
            (BEN, "/firing", CHAT), (BEN, "/status", CHAT), (BEN, "/oncall", CHAT), (BEN, "/help", ""),
            (STRANGER, "/firing", ""),
        ):  # fmt: skip
            host.telegram.write(account, command, where)
            host.reads()
            yield f"[{NAMES[account]} writes: {command}]"
            yield from seen.news()
        host.passes(4 * HOUR)
        host.delivers()
        yield "[4 h later]"
        yield from seen.news()
        yield from seen.tap(BEN, "I have it", alert)
        _runs(host, 301)
        host.delivers()
        host.shows()
        yield from seen.news()
        yield "[the message of the alert is now]\n" + _as_seen(host.now_shown(alert))
        yield from seen.tap(BEN, "I have it", alert)


def _fires(host: Chat) -> None:
    with host.box.database.write() as tx:
        schedules.record_in_force(tx, [Schedule("hourly", "5 * * * *")], host.clock.now() - HOUR, "test")
    _runs(host, 279)
    host.delivers()


def _runs(host: Chat, held: int) -> None:
    path = host.directory / "cap.yaml"
    path.write_text(MONITOR)
    feed = "0x8fFfFfd4AfB6115b954Bd326cbe7B4BA576818f6"
    read = int(host.clock.now().timestamp()) - 3 * 3600
    world = {(VAULT, "held()(uint256)"): held, (VAULT, "owed()(uint256)"): 300, (feed, "updatedAt()(uint256)"): read}
    run(path, store=host.box.path.parent, chain=SimChain(world), clock=SimClock(host.clock.now()))


@dataclass
class _Seen:
    """What people saw of the chat so far."""

    host: Chat
    count: int = 0

    def news(self) -> Iterator[str]:
        """Yield the messages that arrived since, each with where, how and which buttons; by chat, in their order."""
        found = self.host.telegram.messages[self.count :]
        self.count += len(found)
        # Chats are written to side by side.
        yield from map(_as_seen, sorted(found, key=lambda each: each.chat_id))

    def tap(self, account: int, label: str, message: Received) -> Iterator[str]:
        """Tap a button of a message as it was sent; yield what the person reads, and what arrives."""
        self.host.telegram.tap(account, data_under(message, label), message)
        found = self.host.reads()
        yield "\n".join([f"[{NAMES[account]} taps: {label}]", *(f"> {each}" for each in found), ""])
        yield from self.news()


def _as_seen(message: Received) -> str:
    where = {CHAT: "chat", str(ALICE): "alice", str(BEN): "ben"}.get(message.chat_id, "in private")
    how = ", silent" if message.payload.get("disable_notification") else ""
    buttons = "".join(f"\n[{'] ['.join(row)}]" for row in labels(message))
    return f"--- {where}{how}\n{message.text}{buttons}\n"


def _host(folder: Path) -> Iterator[str]:
    """Play what is done on the host: ack, taken back, silence, pause and its end; then several incidents at once."""
    with chat(folder) as host:
        seen = _Seen(host)
        for number, name in enumerate(("backing", "cash", "rate")):
            host.fires("CRITICAL" if number else "HIGH", ConditionKey("cap", name), f"the {name} is too low")
        seen.count = len(host.telegram.messages)
        host.passes(30 * MINUTE)
        host.escalates()
        yield from seen.news()
        now, ends_at = host.clock.now(), host.clock.now() + 2 * HOUR
        with host.box.database.write() as tx:
            [row, *_] = found = [each for each in conditions.incidents(tx, now) if each.severity is Severity.CRITICAL]
            held = acknowledge_in(tx, row, by="ana", note="looking at the keeper", now=now)
            end_in(tx, row, held, by="ben", now=now)
            made = Silence(7, "cap", None, now, ends_at, "the keeper is upgraded", "ana", chain=1)
            announce_silence(tx, made, found, now)
            pause = pauses.add(
                tx, PauseKind.PROFILE, "hourly", now=now, ends_at=ends_at, reason="the provider moves", created_by="ben"
            )
            announce_begin(tx, pause, now)
            announce_end(tx, replace(pause, held_back=2), now + 2 * HOUR)
        host.delivers()
        yield from seen.news()


def _mistakes(folder: Path) -> Iterator[str]:
    """Play a file with mistakes, a second incident after a mute, and an error in this program."""
    with chat(folder) as host:
        seen, key = _Seen(host), ConditionKey("cap", "peg")
        host.fires("CRITICAL", key, "USDX is at 0.93 USD")
        yield from seen.news()
        alert = host.newest()
        host.dispatcher.team = lambda: None
        yield from seen.tap(ALICE, "I have it", alert)
        host.telegram.write(ALICE, "/firing")
        host.reads()
        yield "[alice writes in private: /firing]"
        yield from seen.news()
        host.dispatcher.team = host.team
        yield from seen.tap(ALICE, "Mute 1 h", alert)
        host.passes(10 * MINUTE)
        host.recovers(key)
        host.passes(10 * MINUTE)
        host.fires("CRITICAL", key, "USDX is at 0.94 USD")
        host.shows()
        yield from seen.news()
        yield "[the message of the first incident is now]\n" + _as_seen(host.now_shown(alert))
        for failed in ({"cap/peg": "KeyError", "the drill of ben": "ValueError"}, {}):
            Attempts(failed).report(host.box.database, host.clock.now(), NOBODY)
            host.delivers()
            yield from seen.news()


def _drills(folder: Path) -> Iterator[str]:
    """Play drills of two people: one answers late, the other has no account any more."""
    with chat(folder) as host:
        seen, team = _Seen(host), host.team()
        assert team is not None

        def look(passed: timedelta) -> Iterator[str]:
            host.passes(passed)
            host.delivers()
            step(host.box.database, team, host.settings, host.clock.now(), NOBODY)
            host.delivers()
            yield from seen.news()

        with host.box.database.write() as tx:
            people_drills.plan(tx, "alice", "monthly", host.clock.now())
        yield from look(MINUTE)
        [drill] = host.telegram.shown(str(ALICE))
        yield from seen.tap(BEN, "This reached me", drill)
        yield from look(25 * HOUR)
        yield from seen.tap(ALICE, "This reached me", drill)
        yield from seen.tap(ALICE, "This reached me", drill)
        with host.box.database.write() as tx:
            people_drills.plan(tx, "ben", "ana", host.clock.now())
        host.telegram.chats = {CHAT, str(ALICE)}
        yield from look(MINUTE)
        yield from look(2 * HOUR)


def _days(folder: Path) -> Iterator[str]:
    """Report a day on which all is well."""
    with watched_host(folder / "monitoring.db") as database:
        report(database)
        with database.snapshot() as tx:
            [newest] = [row[0] for row in tx.execute("SELECT max(id) FROM alert_events")]
            stored = alerts.get(tx, newest)
        assert stored is not None
        text = "\n".join(part.text for part in render_telegram(alert_of(stored), now=stored.created_at).parts)
        yield re.sub("Digest: [0-9a-f]+", "Digest: 0123456789abcdef0123456789abcdef", text)


SCENES = {
    "a vault holds too little: asked about, had, muted, over": _night,
    "on the host: several asked about, ack, taken back, silence, pause": _host,
    "a file with mistakes, a second incident after a mute, an error in this program": _mistakes,
    "drills of people: late, not for you, not accepted": _drills,
    "the message of a day": _days,
}
