"""Commands of the chat, over a real store and a stand-in Bot API: who is answered, with what, and how often."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from automation.listen.access import MOST_COMMANDS_OF_CHAT
from automation.listen.dispatch import MOST_STRANGERS
from monitoring.alerts.message.model import Severity
from monitoring.store.people import acknowledgements
from monitoring.store.tables import conditions, rate_limits
from tests.support.chat_reader import ANA, BEN, CHAT, STRANGER, ChatHost
from tests.support.fake_telegram import TelegramStandIn

OTHER_GROUP = "-100777"
REFUSED = "refused: neither a named person nor a chat that gets alerts"


@pytest.fixture
def telegram() -> Iterator[TelegramStandIn]:
    with TelegramStandIn() as standing_in:
        yield standing_in


@pytest.fixture
def host(tmp_path: Path, telegram: TelegramStandIn) -> Iterator[ChatHost]:
    made = ChatHost(tmp_path, telegram)
    yield made
    made.close()


def test_firing_shows_what_fires_the_worst_first_and_who_has_it(host: ChatHost) -> None:
    host.fire("oracle", Severity.HIGH)
    host.fire()
    host.clock.advance(720)
    now = host.clock.now()
    with host.outbox.database.write() as tx:
        [vault] = [each for each in conditions.incidents(tx, now) if each.key.check == "vault"]
        acknowledgements.put(tx, vault, by="ben", note="", now=now, ends_at=now + timedelta(hours=4))
    host.telegram.write(ANA, "/firing@stand_in_bot", CHAT)
    [(chat, text)] = host.turn()
    assert chat == CHAT
    assert text == (
        "2 incidents open (12:12 UTC)\n"
        "\n🔴 CRITICAL acme, for 12 min\nthe vault is empty\nben has it until 16:12 UTC\n"
        "\n🚨 HIGH acme, for 12 min\nthe oracle is empty\nnot acknowledged"
    )


def test_nothing_firing_and_nobody_on_call_are_answers_too(host: ChatHost) -> None:
    host.on_call.unlink()
    host.telegram.write(ANA, "/firing", CHAT)
    host.telegram.write(ANA, "/oncall", CHAT)
    assert [text for _, text in host.turn()] == [
        "Nothing is firing (12:00 UTC).",
        "Nobody is on call: automation/on_call.yaml is missing, or has mistakes that `validate` lists.",
    ]


def test_status_says_what_waits_and_oncall_who_is_asked(host: ChatHost) -> None:
    host.fire()
    host.telegram.write(BEN, "/status")
    host.telegram.write(BEN, "/oncall")
    [status, oncall] = host.turn()
    assert status == (str(BEN), "1 incident open, 1 CRITICAL (12:00 UTC)\nAll alerts are delivered.")
    assert oncall[1] == "On call: ana\nWhy: the week of ana\nUntil Mon 2026-11-30 08:00 UTC, then ben"


def test_an_answer_comes_in_the_topic_and_as_a_reply_to_the_question(host: ChatHost) -> None:
    host.telegram.write(ANA, "/help", CHAT, topic=45)
    host.turn()
    [answer] = host.telegram.messages
    assert answer.thread_id == 45
    assert answer.payload["reply_parameters"]["message_id"] == 1
    assert "/firing" in answer.text


def test_many_incidents_and_long_names_of_others_stay_one_page(host: ChatHost) -> None:
    for number in range(40):
        host.fire(f"key{number}", title=f"{number} \u202e" + "evil\nname " * 100)
    host.telegram.write(ANA, "/firing", CHAT)
    [(_, text)] = host.turn()
    assert len(text) < 2500
    assert text.endswith("and 30 more")
    assert "\u202e" not in text
    assert max(len(line) for line in text.splitlines()) <= 110


@pytest.mark.parametrize("text", ["hello", "/firing@another_bot", "/delete", "/ firing", "firing", "/firing!"])
def test_what_is_no_command_of_this_bot_is_confirmed_and_leaves_no_row(host: ChatHost, text: str) -> None:
    host.telegram.write(ANA, text, CHAT)
    assert host.turn() == []
    host.turn()
    assert host.telegram.updates == []
    assert host.handled() == []


def test_a_stranger_gets_one_refusal_with_the_number_of_their_account_and_is_recorded(host: ChatHost) -> None:
    for _ in range(3):
        host.telegram.write(STRANGER, "/firing")
    [(chat, text)] = host.turn()
    assert chat == str(STRANGER)
    assert text.startswith("This bot answers the people of on_call.yaml. Your account 666 is not in it.\n")
    assert host.handled() == [(STRANGER, "/firing", REFUSED)] * 3


def test_a_group_that_gets_no_alerts_is_not_answered_not_even_a_named_person(host: ChatHost) -> None:
    host.telegram.write(ANA, "/firing", OTHER_GROUP)
    assert host.turn() == []
    assert [outcome for _, _, outcome in host.handled()] == [REFUSED]


def test_somebody_disabled_is_a_stranger(host: ChatHost) -> None:
    host.on_call.write_text(host.on_call.read_text().replace("telegram_id: 222", "telegram_id: 222, enabled: false"))
    host.telegram.write(BEN, "/firing")
    [(_, text)] = host.turn()
    assert "is not in it" in text


def test_strangers_fill_neither_the_database_nor_the_minute(host: ChatHost) -> None:
    for minute in range(30):
        for number in range(20):
            host.telegram.write(1000 + 20 * minute + number, "/status")
        host.turn()
        host.clock.advance(60)
    assert len(host.handled()) == MOST_STRANGERS
    host.telegram.write(ANA, "/help")
    assert len(host.turn()) == 1


def test_a_flood_in_a_group_costs_no_alert_its_place_and_nobody_else_an_answer(
    tmp_path: Path, telegram: TelegramStandIn
) -> None:
    host = ChatHost(tmp_path, telegram)
    for _ in range(200):
        telegram.write(ANA, "/firing", CHAT)
    telegram.write(BEN, "/firing")
    answers = [pair for _ in range(5) for pair in host.turn()]
    assert [chat for chat, _ in answers].count(CHAT) == MOST_COMMANDS_OF_CHAT
    assert [chat for chat, _ in answers].count(str(BEN)) == 1
    host.close()


def test_in_a_test_only_the_test_chat_is_answered(tmp_path: Path, telegram: TelegramStandIn) -> None:
    host = ChatHost(tmp_path, telegram, TELEGRAM_TEST_CHAT_ID="-7")
    telegram.write(ANA, "/help", CHAT)
    telegram.write(ANA, "/help", "-7")
    assert [chat for chat, _ in host.turn()] == ["-7"]
    host.close()


def test_a_group_that_became_a_supergroup_is_answered_under_its_new_id(host: ChatHost) -> None:
    with host.outbox.database.write() as tx:
        rate_limits.remember_move(tx, CHAT, "-1009", host.clock.now())
    host.telegram.write(ANA, "/help", "-1009")
    assert [chat for chat, _ in host.turn()] == ["-1009"]


def test_a_supergroup_is_known_from_the_word_of_telegram_before_any_alert_goes_there(
    host: ChatHost, telegram: TelegramStandIn
) -> None:
    for old, new in ((CHAT, -1009), ("-666", -1008)):
        chat = {"id": int(old), "type": "group", "title": "Risk on call"}
        service = {"message_id": 1, "date": 1, "chat": chat, "migrate_to_chat_id": new}
        telegram.add_update({"message": {**service, "from": {"id": 1087968824, "is_bot": True}}})
    telegram.write(ANA, "/help", "-1009")
    telegram.write(ANA, "/help", "-1008")
    assert [chat for chat, _ in host.turn()] == ["-1009"]
    moved = host.outbox.database.read(rate_limits.moved_chats)
    assert moved == {CHAT: "-1009"}, "of a group of others nothing is believed"


def test_texts_of_a_hundred_kilobytes_and_a_thousand_updates_are_handled_in_their_order(
    host: ChatHost, telegram: TelegramStandIn
) -> None:
    long = "\u202e\u200b<b>*_`" + "a" * 100_000
    telegram.write(ANA, long, CHAT)
    telegram.write(ANA, "/firing " + long, CHAT)
    telegram.tap(ANA, long, chat=CHAT)
    strange = {"id": "q" * 100_000, "from": {"id": ANA, "first_name": long}, "data": "x", "message": {}}
    telegram.add_update({"callback_query": strange})
    for _ in range(1000):
        telegram.write(STRANGER, "hello", CHAT)
    telegram.write(BEN, "/oncall", str(BEN))
    answers = []
    while telegram.updates:
        answers += [chat for chat, _ in host.turn()]
        assert host.waits[-1] == 0
    assert answers == [CHAT, str(BEN)]
    assert [outcome for _, _, outcome in host.handled()] == [
        "answered", "refused: a button that is not ours in this chat", "answered",
    ]  # fmt: skip
    sizes = "SELECT max(length(said) + length(outcome) + length(calls) + length(chat_id)) FROM handled_updates"
    assert host.outbox.database.rows(sizes)[0][0] < 1000
