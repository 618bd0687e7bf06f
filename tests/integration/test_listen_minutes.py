"""Escalation by the minute: over two days with a handover and a change of the clocks, and by two processes at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from automation.listen.minutes import Minutes
from automation.on_call.escalate import escalate
from automation.on_call.message import Question, question
from automation.status.collect import look
from monitoring.alerts.message.model import Alert, Severity
from monitoring.alerts.recording.store_alert import AlertOrigin
from monitoring.conditions.silence import Silence
from monitoring.store.db import write_lock
from monitoring.store.people import acknowledgements
from monitoring.store.tables import conditions, silences
from monitoring.store.tables.alerts import StoredAlert
from tests.support.chain_clock import ManualClock
from tests.support.chat_reader import CHAT, ChatHost
from tests.support.fake_telegram import TelegramStandIn

# Ana has the week until Monday 09:00 in Berlin, ben the next one; eve takes some hours of the Sunday for ana.
TEAM = """
zone: Europe/Berlin
people:
  ana: {telegram_id: 111}
  ben: {telegram_id: 222, quiet_hours: "22:00-07:00"}
  eve: {telegram_id: 333}
rota:
  order: [ana, ben, eve]
  handover: monday 09:00
  starts: 2026-10-19T09:00
  overrides: [{who: eve, starts: 2026-10-25T09:00, ends: 2026-10-25T12:00, reason: a walk}]
escalation:
  high: {steps: [{after: 7m, to: chat}, {after: 13m, to: on-call}], repeat: 1h}
  critical: {steps: [{after: 5m, to: on-call}, {after: 11m, to: everybody}], repeat: 17m}
"""
SATURDAY = datetime(2026, 10, 24, 20, 0, tzinfo=UTC)  # 22:00 in Berlin; the clocks go back at 01:00 UTC


@pytest.fixture
def telegram() -> Iterator[TelegramStandIn]:
    with TelegramStandIn() as standing_in:
        yield standing_in


@pytest.fixture
def host(tmp_path: Path, telegram: TelegramStandIn) -> Iterator[ChatHost]:
    made = ChatHost(tmp_path, telegram)
    made.on_call.write_text(TEAM)
    made.clock._start = SATURDAY
    made.team_now = made.team()
    made.minutes = Minutes(made.settings, made.jobs, lambda: made.team_now, made.clock, made.outbox_drain)
    yield made
    made.close()


def minutes_heard(host: ChatHost, minutes: int) -> dict[int, list[str]]:
    """Let time pass minute by minute; return in which minute which chats heard of it."""
    heard = {}
    for minute in range(1, minutes + 1):
        host.clock.advance(60)
        before = len(host.telegram.messages)
        host.minutes.look()
        if found := sorted(each.chat_id for each in host.telegram.messages[before:]):
            heard[minute] = found
    return heard


@pytest.mark.ci
def test_two_days_with_a_handover_a_change_of_clocks_an_override_and_quiet_hours(host: ChatHost) -> None:
    host.fire("peg", Severity.HIGH)
    heard = minutes_heard(host, 48 * 60)
    assert heard.pop(7) == [CHAT]
    assert list(heard) == list(range(13, 48 * 60 + 1, 60))
    by_hour = {minute // 60: who for minute, who in heard.items()}
    # 09:00 in Berlin is 08:00 UTC after the change: hour 12 of the test; the handover is 24 h later.
    assert {hour for hour, who in by_hour.items() if who == ["333"]} == {12, 13, 14}
    assert {hour for hour, who in by_hour.items() if who == ["111"]} == {*range(12), *range(15, 36)}
    assert {hour for hour, who in by_hour.items() if who == ["222"]} == set(range(36, 48))


def test_each_step_comes_in_its_minute_and_stops_with_the_acknowledgement(host: ChatHost) -> None:
    host.fire()
    assert minutes_heard(host, 30) == {5: ["111"], 11: ["111", "222", "333"], 28: ["111", "222", "333"]}
    now = host.clock.now()
    with host.outbox.database.write() as tx:
        [vault] = conditions.incidents(tx, now)
        acknowledgements.put(tx, vault, by="eve", note="", now=now, ends_at=now + timedelta(hours=4))
    assert minutes_heard(host, 60) == {}


def test_somebody_who_cannot_be_reached_keeps_nobody_else_waiting(host: ChatHost) -> None:
    host.telegram.kicked_from.add("111")
    host.fire()
    heard = minutes_heard(host, 12)
    assert heard[11] == ["222", "333"]
    assert "111" not in heard.get(5, [])


def test_two_at_once_ask_nobody_twice(host: ChatHost) -> None:
    host.fire()
    host.clock.advance(300)
    asked: list[int] = []
    start = threading.Barrier(2)
    team = host.team()
    assert team is not None

    def of_run() -> None:
        from monitoring.store.db.schema import open_database

        with open_database(host.settings.database) as database:
            start.wait()
            asked.append(escalate(database, team, host.clock.now(), AlertOrigin()))

    def of_listen() -> None:
        start.wait()
        asked.append(host.minutes.look())

    threads = [threading.Thread(target=each) for each in (of_run, of_listen)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(30)
    assert sorted(asked) == [0, 1]
    assert [each.chat_id for each in host.telegram.messages].count("111") <= 1


def test_a_failing_store_or_a_bug_costs_one_minute_and_no_more(host: ChatHost) -> None:
    def breaks() -> None:
        raise KeyError("a bug")

    tried = threading.Event()
    clock = ManualClock(SATURDAY)

    class Breaking(Minutes):
        def look(self) -> int:
            if not tried.is_set():
                tried.set()
                breaks()
            self.stop()
            return 0

    minutes = Breaking(host.settings, host.jobs, host.team, clock, host.outbox_drain)
    thread = threading.Thread(target=minutes.run)
    thread.start()
    assert tried.wait(60)
    minutes.wake.set()
    thread.join(60)
    assert not thread.is_alive()


def test_in_a_test_nobody_is_asked(tmp_path: Path, telegram: TelegramStandIn) -> None:
    host = ChatHost(tmp_path, telegram, TELEGRAM_TEST_CHAT_ID="-7")
    host.fire()
    host.clock.advance(600)
    assert host.minutes.look() == 0
    host.close()


def test_a_bug_about_one_incident_stops_no_other_is_reported_and_tried_again(
    host: ChatHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = ["peg"]

    def breaks_for_peg(found: Sequence[Question], *rest: Any) -> Alert:
        if any(one.title == f"the {name} is empty" for one in found for name in broken):
            raise KeyError("a bug")
        return question(found, *rest)

    monkeypatch.setattr("automation.on_call.escalate.question", breaks_for_peg)
    for key in ("vault", "peg", "backing"):
        host.fire(key)
    heard = minutes_heard(host, 6)
    assert heard == {5: [CHAT, "111", "111"]}, "two questions to ana, one report to the chat of the operators"
    report = next(each.text for each in host.telegram.messages if "Escalation failed in part: " in each.text)
    assert "\nacme/peg: KeyError\n" in report
    assert "🚨 HIGH automation" in report
    shown = look(host.settings, host.jobs, host.clock.now())
    assert "Escalation failed in part: acme/peg" in [each.title for each in shown.firing]
    assert minutes_heard(host, 3) == {}, "it is said once"
    broken.append("lock")
    host.fire("lock")
    assert minutes_heard(host, 5)[5] == [CHAT], "what fails in addition is news"
    assert "Escalation failed in part: acme/peg, acme/lock" in host.telegram.messages[-1].text
    broken.clear()
    assert minutes_heard(host, 1) == {1: [CHAT, "111", "222", "333"]}, "as soon as it works; by now everybody"
    assert any("escalation works again" in each.text for each in host.telegram.messages[-4:])


def test_an_incident_whose_last_report_cannot_be_shown_is_asked_about_without_it(
    host: ChatHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(_stored: StoredAlert) -> Alert:
        raise RecursionError

    monkeypatch.setattr("automation.on_call.escalate.alert_of", breaks)
    host.fire("vault")
    assert minutes_heard(host, 5) == {5: ["111"]}
    assert "not acknowledged: the vault is empty" in host.telegram.messages[-1].text
    assert "As reported" not in host.telegram.messages[-1].text


@pytest.mark.parametrize("broken", ["automation.on_call.escalate._keep_duty", "automation.drills.step.step"])
def test_a_bug_in_other_work_of_the_minute_keeps_nobody_from_being_asked(
    host: ChatHost, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    def breaks(*_args: object) -> None:
        raise ValueError

    monkeypatch.setattr(broken, breaks)
    host.fire("vault")
    assert minutes_heard(host, 5)[5] == ["111"]
    assert any("Escalation failed in part: " in each.text for each in host.telegram.messages)


def test_what_a_silence_or_an_acknowledgement_held_back_is_sent_in_the_minute_of_its_end(host: ChatHost) -> None:
    now = host.clock.now()
    with host.outbox.database.write() as tx:
        silences.put(tx, Silence(0, "acme", "peg", now, now + timedelta(minutes=3), "upgrade", "eve"))
    host.fire("peg", Severity.MEDIUM)
    host.fire("vault")
    with host.outbox.database.write() as tx:
        [vault] = [each for each in conditions.incidents(tx, now) if each.key.check == "vault"]
        acknowledgements.put(tx, vault, by="eve", note="", now=now, ends_at=now + timedelta(minutes=7))
    heard = minutes_heard(host, 7)
    assert {minute: chats for minute, chats in heard.items() if CHAT in chats} == {3: [CHAT], 7: [CHAT, "111"]}
    assert "the peg is empty" in host.telegram.messages[1].text
    assert any("Still: the vault is empty" in each.text for each in host.telegram.messages)


def test_a_look_waits_for_others_who_write(host: ChatHost, monkeypatch: pytest.MonkeyPatch) -> None:
    wait, is_waiting, asked = write_lock._acquire_in_thread, threading.Event(), list[int]()
    host.team_now = None  # to ask people is to write anyway

    def note_and_wait(descriptors: list[int], timeout_s: float) -> bool:
        is_waiting.set()
        return wait(descriptors, timeout_s)

    def look() -> None:
        try:
            asked.append(host.minutes.look())
        finally:
            is_waiting.set()

    monkeypatch.setattr(write_lock, "_acquire_in_thread", note_and_wait)
    looking = threading.Thread(target=look)
    with host.outbox.database.write():
        looking.start()
        assert is_waiting.wait(30)
    looking.join()
    assert asked == [0]
