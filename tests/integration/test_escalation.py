"""Incidents on which nobody acts, over a real store and a stand-in Bot API: who is asked, where and when."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from automation.on_call.attempts import Attempts
from automation.on_call.chats import with_people
from automation.on_call.escalate import escalate
from automation.on_call.load import load_on_call
from automation.on_call.model import OnCall
from monitoring.alerts.message.model import Alert, Severity
from monitoring.alerts.recording.store_alert import AlertOrigin, raise_in, resolve_in
from monitoring.conditions.condition import Condition, ConditionKey
from monitoring.conditions.transition import at_rest
from monitoring.store.people import duty
from monitoring.store.tables import conditions, silences
from tests.support.chain_clock import ManualClock
from tests.support.fake_telegram import BOT_TOKEN, CHAT, TelegramStandIn
from tests.support.outbox import Outbox, settings_for

TEXT = """
zone: Europe/Berlin
people:
  ana: {telegram_id: 111, quiet_hours: "22:00-07:00"}
  ben: {telegram_id: 222}
rota: {order: [ana, ben], handover: monday 09:00, starts: 2026-10-12T09:00}
escalation:
  critical: {steps: [{after: 5m, to: on-call}, {after: 15m, to: everybody}], repeat: 30m}
  high: {steps: [{after: 30m, to: chat}, {after: 1h, to: on-call}], repeat: 2h}
"""
START = datetime(2026, 10, 25, 20, 0, tzinfo=UTC)  # the evening after the clocks went back, the week of ben
VAULT = ConditionKey("acme", "vault")


class Team:
    """A host with people: its store, its clock, the file, and what arrived where."""

    def __init__(self, folder: Path, telegram: TelegramStandIn) -> None:
        self.telegram = telegram
        self.clock = ManualClock(START)
        self.outbox = Outbox(folder, telegram.url, clock=self.clock)
        self.jobs = folder / "jobs.yaml"
        self.jobs.with_name("on_call.yaml").write_text(TEXT)
        team = load_on_call(self.jobs.with_name("on_call.yaml"))
        assert team is not None
        self.team: OnCall = team

    def fire(self, severity: Severity = Severity.CRITICAL, key: str = "vault") -> None:
        with self.outbox.database.write() as tx:
            found = Alert(severity, f"the {key} is empty", protocol="acme", key=key)
            raise_in(tx, found, now=self.clock.now())
        self.deliver()

    def end(self, key: str = "vault") -> None:
        with self.outbox.database.write() as tx:
            resolve_in(tx, ConditionKey("acme", key), now=self.clock.now())
        self.deliver()

    def look(self, minutes: float, *, debug: bool = False) -> list[tuple[str, str]]:
        """Let time pass, escalate, deliver; return (chat, first line) of what arrived."""
        self.clock.advance(60 * minutes)
        before = len(self.telegram.messages)
        escalate(self.outbox.database, self.team, self.clock.now(), AlertOrigin(debug=debug))
        self.deliver()
        return [(each.chat_id, each.text.partition("\n")[0]) for each in self.telegram.messages[before:]]

    def deliver(self) -> None:
        environ = with_people(settings_for(self.outbox.directory, self.outbox.environ), self.jobs).environ
        self.outbox.drain(environ)


@pytest.fixture
def telegram() -> Iterator[TelegramStandIn]:
    with TelegramStandIn() as standing_in:
        yield standing_in


@pytest.fixture
def host(tmp_path: Path, telegram: TelegramStandIn) -> Iterator[Team]:
    made = Team(tmp_path, telegram)
    yield made
    made.outbox.close()


def chats(found: list[tuple[str, str]]) -> list[str]:
    return sorted(chat for chat, _ in found)


def test_who_is_on_call_is_asked_then_everybody_and_again_until_it_ends(host: Team) -> None:
    host.fire()
    assert host.look(4) == []
    [(chat, text)] = host.look(1)
    assert chat == "222"
    assert text == "🔴 CRITICAL acme: Open for 5 min, not acknowledged: the vault is empty"
    assert host.look(9) == []
    assert chats(host.look(1)) == ["111", "222"]
    assert host.look(29) == []
    assert chats(host.look(1)) == ["111", "222"]
    host.end()
    assert host.look(60) == []


def test_two_days_with_a_handover_a_change_of_clocks_and_quiet_hours(host: Team) -> None:
    host.fire(Severity.HIGH)
    heard = {}
    for minute in range(10, 48 * 60 + 1, 10):
        if found := chats(host.look(10)):
            heard[minute] = found
    # 30 min: the chat; 1 h and each 2 h after it: ben, whose week it is until 09:00 in Berlin (08:00 UTC, minute 720).
    assert heard.pop(30) == [CHAT]
    assert sorted(heard) == list(range(60, 48 * 60 + 1, 120))
    assert {tuple(who) for minute, who in heard.items() if minute < 720} == {("222",)}
    # Then it is the week of ana, but from 22:00 to 07:00 in Berlin (21:00 to 06:00 UTC) ben is asked in her place.
    quiet = range(25 * 60, 34 * 60)
    assert {tuple(who) for minute, who in heard.items() if minute >= 720 and minute not in quiet} == {("111",)}
    assert {tuple(who) for minute, who in heard.items() if minute in quiet} == {("222",)}


def test_a_question_names_who_was_asked_before_and_why_this_person(host: Team) -> None:
    host.fire()
    host.look(5)
    host.look(10)
    to_ana = next(each.text for each in host.telegram.messages if each.chat_id == "111")
    to_ben = [each.text for each in host.telegram.messages if each.chat_id == "222"]
    assert "Why you: everybody is asked now" in to_ana
    assert [line for text in to_ben for line in text.splitlines() if line.startswith("Why you")] == [
        "Why you: the week of ben", "Why you: on call",
    ]  # fmt: skip


def test_several_incidents_are_one_question_to_each_person(host: Team) -> None:
    for key in ("vault", "oracle", "bridge"):
        host.fire(key=key)
    [(chat, text)] = host.look(5)
    assert chat == "222"
    assert text.endswith("3 incidents are open and not acknowledged")


def test_a_silence_stops_the_questions_and_its_end_lets_them_go_on(host: Team) -> None:
    host.fire()
    now = host.clock.now()
    with host.outbox.database.write() as tx:
        silences.add(tx, "acme", "vault", now=now, ends_at=now + timedelta(hours=1), reason="known", created_by="ana")
    assert host.look(30) == []
    assert chats(host.look(31)) == ["111", "222"]


def test_a_silence_of_the_runner_does_not_stop_a_question(host: Team) -> None:
    now = host.clock.now()
    with host.outbox.database.write() as tx:
        silences.add(tx, "automation", None, now=now, ends_at=now + timedelta(days=9), reason="noisy", created_by="eve")
    for key in ("vault", "oracle"):
        host.fire(key=key)
    assert chats(host.look(5)) == ["222"]


def test_what_happened_once_is_asked_about_until_somebody_says_that_it_is_done(host: Team) -> None:
    with host.outbox.database.write() as tx:
        row = replace(
            conditions.get(tx, VAULT) or Condition(VAULT), clear_since=host.clock.now(), fired_at=host.clock.now(),
            worst=Severity.CRITICAL, protocol="acme", title="role granted",
        )  # fmt: skip
        conditions.put(tx, row, host.clock.now())
    assert chats(host.look(5)) == ["222"]
    with host.outbox.database.write() as tx:
        conditions.put(tx, replace(row, done_by="ana"), host.clock.now())
    assert host.look(60) == []


def test_what_happens_again_and_again_is_asked_about_all_the_same(host: Team) -> None:
    found: list[str] = []
    for _ in range(6):
        with host.outbox.database.write() as tx:
            before = conditions.get(tx, VAULT) or Condition(VAULT, protocol="acme", title="role granted")
            conditions.put(tx, at_rest(before, Severity.CRITICAL, host.clock.now()), host.clock.now())
        found += chats(host.look(3))
    assert found == ["222", "111", "222"]


def test_an_incident_that_a_clock_put_into_the_future_is_asked_about(host: Team) -> None:
    host.clock.advance(400 * 86_400)
    host.fire()
    host.clock.advance(-400 * 86_400)
    assert host.look(1) == []
    assert chats(host.look(5)) == ["222"]


def test_a_process_that_sends_nothing_asks_nobody(host: Team) -> None:
    host.fire()
    assert host.look(30, debug=True) == []
    assert chats(host.look(1)) == ["111", "222"]


def test_somebody_who_cannot_be_reached_is_announced_in_the_chat_and_the_next_step_comes_in_time(host: Team) -> None:
    host.telegram.kicked_from.add("222")
    host.fire()
    [(chat, text)] = host.look(5)
    assert (chat, text.endswith("Alerts are not accepted")) == (CHAT, True)
    assert "222" in host.telegram.messages[-1].text
    assert "111" in chats(host.look(10))


def test_a_question_is_stored_with_what_was_asked_or_not_at_all(host: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    host.fire()
    host.clock.advance(300)
    monkeypatch.setattr("automation.on_call.escalate.store_in", _breaks)
    attempts = Attempts()
    assert escalate(host.outbox.database, host.team, host.clock.now(), AlertOrigin(), attempts) == 0
    assert attempts.failed == {"acme/vault": "RuntimeError"}
    monkeypatch.undo()
    assert chats(host.look(0)) == ["222"]


def _breaks(*_: object, **__: object) -> None:
    raise RuntimeError("killed here")


def test_the_file_gives_each_person_a_chat_and_the_env_file_may_give_another(host: Team) -> None:
    settings = settings_for(host.outbox.directory, {"TELEGRAM_CHAT_ID_ON_CALL_ANA": "-5", "BOT": BOT_TOKEN})
    environ = with_people(settings, host.jobs).environ
    assert environ["TELEGRAM_CHAT_ID_ON_CALL_ANA"] == "-5"
    assert environ["TELEGRAM_CHAT_ID_ON_CALL_BEN"] == "222"


def test_who_is_on_call_is_kept_for_the_pages_and_written_when_it_is_news(host: Team) -> None:
    now = host.clock.now()
    escalate(host.outbox.database, host.team, now, AlertOrigin())
    found = duty.read(host.outbox.database, now)
    assert found == duty.OnCallNow(("ben",), datetime(2026, 10, 26, 8, 0, tzinfo=UTC)), "until the handover"
    before = host.outbox.database.connection.total_changes()
    escalate(host.outbox.database, host.team, now + timedelta(hours=1), AlertOrigin())
    assert host.outbox.database.connection.total_changes() == before
    assert duty.read(host.outbox.database, now + timedelta(days=1)) is None, "a host that stands still names nobody"
    escalate(host.outbox.database, replace(host.team, rota=None), now, AlertOrigin())
    everybody = duty.read(host.outbox.database, now)
    assert everybody is not None
    assert set(everybody.people) == {"ana", "ben"}
