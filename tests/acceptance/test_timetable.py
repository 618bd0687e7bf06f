"""Days of alerts on a time table, against a Bot API that enforces Telegram's rules and limits."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from monitoring.alerts.recording.store_alert import raise_in, record, record_in, resolve_in
from monitoring.conditions.condition import ConditionKey
from monitoring.store.tables import silences
from tests.support.fake_telegram import CHAT, TelegramStandIn, error, too_many_requests
from tests.support.outbox import Outbox, alert
from tests.support.timetable import Timetable

Act = Callable[[Outbox, TelegramStandIn, datetime], None]


def say(title: str, severity: str = "HIGH", protocol: str = "aave", key: str | None = None) -> Act:
    def act(outbox: Outbox, telegram: TelegramStandIn, when: datetime) -> None:
        record(outbox.database, alert(title, severity, protocol=protocol, key=key), now=when)

    return act


def script(*answers: object) -> Act:
    return lambda outbox, telegram, when: telegram.script(*answers)  # type: ignore[arg-type]


def say_at_once(burst: list[tuple[str, int]]) -> Act:
    """Store so many alerts of each severity in one transaction."""

    def act(outbox: Outbox, telegram: TelegramStandIn, when: datetime) -> None:
        with outbox.database.write() as tx:
            for severity, count in burst:
                for number in range(count):
                    record_in(tx, alert(f"{severity} {number}", severity), now=when)

    return act


def test_a_day_of_troubles_ends_with_every_alert_told_once_and_in_order(tmp_path: Path) -> None:
    day = Timetable(tmp_path)
    day.at("00:05", say("calm"))
    day.want("00:05", "00:20", "calm")
    # Telegram has an outage of some answers while alerts come in.
    day.at("01:00", script(*[error(502, "Bad Gateway")] * 3))
    day.at("01:01", say("during the outage 1"))
    day.at("01:02", say("during the outage 2"))
    day.want("01:01", "01:50", "during the outage 1")
    day.want("01:02", "01:50", "during the outage 2")
    # The chat is too busy, says so, and is left alone for so long.
    day.at("02:00", script(too_many_requests(30)))
    day.at("02:01", say("after the wait"))
    day.want("02:30", "03:00", "after the wait")
    # The group moves.
    day.at("03:10", lambda outbox, telegram, when: telegram.migrated.update({CHAT: "-1009999"}))
    day.at("03:11", say("in the new group"))
    day.want("03:11", "03:40", "in the new group")
    messages = day.play(until="04:10")
    titles = [message.text.split("\n")[0].partition(": ")[2] for message in messages]
    assert titles.index("during the outage 1") < titles.index("during the outage 2")
    assert [message.chat_id for message in messages] == [*[CHAT] * 4, "-1009999"]


def test_a_condition_is_told_silenced_told_again_and_recovered(tmp_path: Path) -> None:
    key = ConditionKey("aave", "backing")

    def raise_it(severity: str) -> Act:
        def act(outbox: Outbox, telegram: TelegramStandIn, when: datetime) -> None:
            with outbox.database.write() as tx:
                raise_in(tx, alert(f"backing {severity}", severity, key="backing"), now=when, key=key)

        return act

    def silence(outbox: Outbox, telegram: TelegramStandIn, when: datetime) -> None:
        with outbox.database.write() as tx:
            ends_at = when + timedelta(minutes=2)
            silences.add(tx, "aave", "backing", now=when, ends_at=ends_at, reason="known", created_by="ops")

    def resolve(outbox: Outbox, telegram: TelegramStandIn, when: datetime) -> None:
        with outbox.database.write() as tx:
            resolve_in(tx, key, now=when)

    day = Timetable(tmp_path)
    for when in ("00:10", "00:20", "00:30"):
        day.at(when, raise_it("HIGH"))
    day.at("01:00", silence)
    day.at("01:10", raise_it("CRITICAL"))
    # Worse, but silenced until 03:00; it still fires then, so it is told at the silence's end.
    day.want("03:00", "03:20", "backing CRITICAL\nSince")
    day.at("03:30", silence)
    day.at("03:40", resolve)
    day.want("03:40", "03:55", "backing is ok again")
    messages = day.play(until="04:10")
    assert [message.text.split("\n")[0].partition(": ")[2] for message in messages] == [
        "backing HIGH",
        "backing CRITICAL",
        "backing is ok again",
    ]


def test_sixty_alerts_in_a_burst_provoke_no_refusal_and_the_worst_come_first(tmp_path: Path) -> None:
    burst = [("LOW", 36), ("MEDIUM", 6), ("HIGH", 10), ("CRITICAL", 8)]
    day = Timetable(tmp_path, factor=20.0)
    day.at("00:05", say_at_once(burst))
    day.want("00:05", "00:20", "CRITICAL ", times=8)
    day.want("00:05", "01:30", "HIGH ", times=10)
    refused: list[int] = []

    def count_refusals(outbox: Outbox, telegram: TelegramStandIn, when: datetime) -> None:
        refused.append(len(telegram.requests) - len(telegram.messages))
        assert outbox.statuses() == {"delivered": 60}

    day.at("02:50", count_refusals)
    messages = day.play(until="02:51")
    assert refused == [0], "no 429 of our making"
    ranks = [message.text.split(" ")[1] for message in messages]
    assert ranks[:18] == ["CRITICAL"] * 8 + ["HIGH"] * 10
    folded = [message.text for message in messages if "alerts in one message" in message.text]
    low_alone = sum(rank == "LOW" for rank in ranks) - len(folded)  # a fold of LOW alerts is led by LOW itself
    in_folds = sum(int(text.partition(": ")[2].split(" ")[0]) for text in folded)
    assert folded
    assert in_folds + low_alone == 36
    for start in [message.at_s for message in messages]:
        assert sum(start <= message.at_s < start + 60 for message in messages) <= 20


def test_telegrams_own_rules_hold_for_every_message_of_the_day(tmp_path: Path) -> None:
    day = Timetable(tmp_path)
    odd = "zero\u200bwidth 👨‍👩‍👧‍👦 _under_ *star* [x](y) <b>&amp; \u202e right to left \x00 end " * 40
    day.at("00:01", say(odd, "CRITICAL"))
    day.at("00:02", say("", "LOW"))
    messages = day.play(until="00:40")
    assert len(messages) >= 2
    assert all(json.dumps(message.payload) for message in messages)
