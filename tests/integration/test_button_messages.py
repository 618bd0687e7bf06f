"""Messages with buttons: which have some, and what they show, against a Bot API with its real limits."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from automation.cli.main import main
from monitoring.alerts.message.model import Alert
from monitoring.alerts.recording.reminders import remind_in
from monitoring.alerts.recording.store_alert import NOBODY, raise_in
from monitoring.conditions.condition import ConditionKey
from monitoring.conditions.policy import Policy
from monitoring.store.maintenance.prune import prune
from tests.support.fake_telegram import CHAT, too_many_requests
from tests.support.tapping import ALICE, BEN, HOUR, Chat, chat, data_under, labels

ALL = [["I have it", "Mute 1 h", "Details"]]


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Chat]:
    with chat(tmp_path) as found:
        yield found


@pytest.mark.parametrize("severity", ["MEDIUM", "HIGH", "CRITICAL"])
def test_what_fires_has_buttons_and_its_recovery_has_none(host: Chat, severity: str) -> None:
    host.fires(severity)
    host.recovers()
    assert [labels(each) for each in host.telegram.messages] == [ALL, []]


def test_what_is_low_has_none(host: Chat) -> None:
    host.fires("LOW")
    assert [labels(each) for each in host.telegram.messages] == [[]]


def test_where_nobody_reads_the_chat_no_message_has_buttons(tmp_path: Path) -> None:
    with chat(tmp_path, is_read=False) as host:
        host.fires()
        assert [labels(each) for each in host.telegram.messages] == [[]]


def test_a_message_that_was_deleted_is_left_alone(host: Chat) -> None:
    host.fires()
    shown = host.newest()
    host.telegram.tap(ALICE, data_under(shown, "I have it"), shown)
    host.telegram.delete(shown)
    host.reads()
    assert host.held() == [("alice", "aave/backing")]
    assert host.telegram.messages[-1].reply_to is None
    assert host.box.database.rows("SELECT count(*) FROM message_buttons") == [(0,)]
    asked = len(host.telegram.requests)
    host.passes(HOUR)
    host.shows()
    assert len(host.telegram.requests) == asked, "it is not tried again"


def test_a_server_that_refuses_an_edit_changes_nothing_else(host: Chat) -> None:
    host.telegram.refuses_edits = True
    host.fires()
    host.taps(ALICE, "I have it")
    assert host.held() == [("alice", "aave/backing")]
    assert "alice has it" in host.telegram.messages[-1].text
    assert host.telegram.edits == []


def test_a_server_that_knows_no_buttons_loses_no_alert(host: Chat) -> None:
    host.telegram.refuses_buttons = True
    host.fires()
    [sent] = host.telegram.messages
    assert labels(sent) == []
    assert sent.marked("bold")
    assert "sent without buttons" in host.box.database.rows("SELECT receipt_json FROM deliveries")[0][0]
    assert host.box.database.rows("SELECT count(*) FROM message_buttons") == [(0,)]


def test_the_end_of_a_long_alert_has_the_buttons_and_says_who_has_it(host: Chat) -> None:
    host.fires(blocks=[f"line {number}: " + "x" * 90 for number in range(120)])
    parts = list(host.telegram.messages)
    assert [labels(each) for each in parts] == [[]] * (len(parts) - 1) + [ALL]
    assert len(parts) > 2
    host.taps(BEN, "I have it")
    assert "ben has it since" in host.now_shown(parts[-1]).text
    assert [host.now_shown(each) for each in parts[:-1]] == parts[:-1]


def test_a_full_message_keeps_every_word_and_its_buttons_say_who_has_it(host: Chat) -> None:
    host.fires(blocks=["y" * 3900])
    [sent] = host.telegram.messages
    assert len(sent.text) > 4020
    host.taps(ALICE, "I have it")
    shown = host.now_shown(sent)
    assert shown.text == sent.text
    assert labels(shown) == [
        ["✋ alice has it since 2026-11-30 03:12 UTC, until 2026-11-30…"],
        ["Mute 1 h", "Details"],
    ]


def test_every_chat_and_topic_that_got_it_shows_who_has_it(tmp_path: Path) -> None:
    topics = {"TELEGRAM_CHAT_ID_TOPICS": "-1005", "TELEGRAM_TOPIC_ID_AAVE": "77"}
    with chat(tmp_path, environ=topics) as host:
        host.fires()
        host.passes(HOUR / 4)
        host.escalates()
        host.passes(HOUR / 4)
        host.escalates()
        places = {(each.chat_id, each.thread_id): each for each in host.telegram.messages}
        assert places.keys() == {("-1005", 77), (str(BEN), None), (str(ALICE), None)}
        in_topic = places["-1005", 77]
        host.telegram.tap(ALICE, data_under(in_topic, "I have it"), in_topic)
        host.reads()
        assert all("✋ alice has it" in host.now_shown(each).text for each in places.values())
        host.telegram.tap(BEN, data_under(in_topic, "Details"), in_topic, is_accessible=False)
        host.reads()
        answer = host.telegram.messages[-1]
        assert (answer.thread_id, answer.reply_to) == (77, in_topic.message_id)


def test_ack_on_the_host_and_its_end_are_shown_too(host: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CACHE_DIR", str(host.directory))
    monkeypatch.setenv("MONITORING_ENV_FILE", "")
    host.passes(datetime.now(UTC) - host.clock.now())  # to the command's own clock
    host.fires()
    sent = host.telegram.messages[0]
    assert main(["ack", "aave/backing", "--note", "on it"]) == 0
    host.passes(timedelta(minutes=1))
    host.reads()
    assert f"✋ {getpass.getuser()} has it since" in host.now_shown(sent).text
    assert main(["ack", "aave/backing", "--end"]) == 0
    host.reads()
    assert host.now_shown(sent).text == sent.text
    assert host.now_shown(sent).entities == sent.entities
    assert labels(host.now_shown(sent)) == ALL


def test_when_it_is_worse_nobody_has_it_and_both_messages_say_so(host: Chat) -> None:
    host.fires("HIGH")
    sent = host.telegram.messages[0]
    host.taps(ALICE, "I have it")
    host.passes(HOUR * 0.1)
    host.fires("CRITICAL")
    host.reads()
    assert host.now_shown(sent).text == sent.text
    assert labels(host.now_shown(sent)) == labels(host.newest()) == ALL
    assert host.taps(ALICE, "I have it")[0].startswith("You have it until 07:18 UTC")


def test_reminders_of_several_incidents_in_one_message_have_a_button_for_each(host: Chat) -> None:
    keys = [ConditionKey("aave", f"check-{number}") for number in range(7)]
    with host.box.database.write() as tx:
        alerts = {key: Alert("HIGH", f"{key.check} is bad", protocol="aave", key=key.check) for key in keys}
        for key, alert in alerts.items():
            raise_in(tx, alert, now=host.clock.now(), key=key, policy=Policy(remind=HOUR))
        host.passes(HOUR * 1.1)
        found = [
            raise_in(tx, alert, now=host.clock.now(), key=key, policy=Policy(remind=HOUR), reminds_later=True)
            for key, alert in alerts.items()
        ]
        remind_in(tx, [each.due for each in found if each.due], host.clock.now(), NOBODY)
    host.delivers()
    together = host.telegram.messages[-1]
    assert labels(together) == [[f"I have it: check-{number} is bad"] for number in range(5)]
    host.taps(ALICE, "I have it: check-3 is bad", together)
    assert host.held() == [("alice", "aave/check-3")]
    shown = host.now_shown(together)
    assert shown.text.endswith(
        "\n\n✋ alice has check-3 is bad since 2026-11-30 04:18 UTC, until 2026-12-01 04:18 UTC at most."
    )
    assert labels(shown) == [[f"I have it: check-{number} is bad"] for number in (0, 1, 2, 4)]


def test_an_edit_that_arrived_before_the_process_died_is_not_lost_or_repeated(host: Chat) -> None:
    host.fires()
    host.taps(ALICE, "I have it")
    with host.box.database.write() as tx:
        tx.execute("UPDATE message_buttons SET shown = ''")
    host.restart()
    host.shows()
    assert len(host.telegram.edits) == 1
    host.recovers()
    host.shows()
    assert "✅ Over since" in host.telegram.edits[-1].text


def test_a_chat_that_asks_to_wait_holds_up_no_alert(host: Chat) -> None:
    host.fires()
    sent = host.newest()
    host.telegram.tap(ALICE, data_under(sent, "I have it"), sent)
    host.reader.turn()
    host.reader.turn()
    host.passes(timedelta(seconds=2))
    host.telegram.script(too_many_requests(40))
    assert host.edits.look() == 40
    host.fires("HIGH", key=ConditionKey("aave", "use"), text="use is 99 %")
    assert any("use is 99 %" in each.text for each in host.telegram.messages)
    assert host.now_shown(sent).text == sent.text
    host.passes(timedelta(seconds=41))
    host.shows()
    assert "✋ alice has it" in host.now_shown(sent).text


@pytest.mark.ci
def test_only_the_newest_messages_of_an_incident_keep_their_buttons(host: Chat) -> None:
    for _ in range(6):
        host.fires()
        host.passes(HOUR * 1.1)
    host.shows()
    assert [labels(each) for each in host.telegram.shown(CHAT)] == [[]] * 3 + [ALL] * 3
    host.taps(ALICE, "I have it")
    assert ["✋" in each.text for each in host.telegram.shown(CHAT)][:6] == [False] * 3 + [True] * 3


@pytest.mark.ci
def test_edits_take_turns_that_alerts_have_left(host: Chat) -> None:
    for number in range(12):
        host.fires("HIGH", key=ConditionKey("aave", f"check-{number}"), text=f"check {number} is bad")
    sent = host.telegram.messages[-1]
    host.telegram.tap(ALICE, data_under(sent, "I have it"), sent)
    host.reader.turn()
    host.reader.turn()
    wait = host.edits.look()
    assert wait is not None
    assert wait > 50, "alerts had more than half of the minute"
    assert host.telegram.edits == []


def test_in_the_test_chat_no_message_has_buttons(tmp_path: Path) -> None:
    with chat(tmp_path, environ={"TELEGRAM_TEST_CHAT_ID": "-1004"}) as host:
        host.fires()
        assert [labels(each) for each in host.telegram.messages] in ([[]], [])


def test_what_is_kept_of_a_message_goes_with_its_alert(host: Chat) -> None:
    host.fires()
    host.recovers()
    assert host.box.database.rows("SELECT count(*) FROM message_buttons") == [(1,)]
    prune(host.box.database, host.clock.now() + timedelta(days=91))
    assert host.box.database.rows("SELECT count(*) FROM message_buttons") == [(0,)]
