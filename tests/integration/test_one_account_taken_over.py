"""What somebody can do who has one operator's Telegram account, or another part of the chat.

Each line of the table in SECURITY.md is a test here.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from automation.listen.acts import MOST_MUTES_OF_CONDITION
from automation.listen.buttons import MOST_DETAILS_OF_CHAT
from monitoring.alerts.senders import Button, ButtonAction
from monitoring.alerts.senders.telegram.buttons import data_of, key_of
from monitoring.base.clock import from_text
from monitoring.conditions.condition import ConditionKey
from monitoring.conditions.silence import Silence
from monitoring.store.tables import silences
from tests.support.fake_telegram import BOT_TOKEN, CHAT, Received
from tests.support.tapping import ALICE, AT, BEN, BOT, HOUR, STRANGER, Chat, chat, data_under, labels

SECURITY = Path(__file__).parents[2] / "SECURITY.md"
HALF_HOUR = timedelta(minutes=30)


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Chat]:
    with chat(tmp_path) as found:
        yield found


def taps_everything(host: Chat, account: int) -> None:
    """Tap all that can be tapped, everywhere."""
    for place in (CHAT, str(ALICE), str(BEN)):
        for message in host.telegram.shown(place):
            for row in message.payload.get("reply_markup", {"inline_keyboard": []})["inline_keyboard"]:
                for button in row:
                    host.telegram.tap(account, button["callback_data"], message)


def heard(host: Chat, since: int = 0) -> list[Received]:
    return [each for each in host.telegram.messages[since:] if not each.silent]


def test_it_can_acknowledge_what_is_open_and_everybody_hears_it(host: Chat) -> None:
    host.fires()
    host.fires("HIGH", key=ConditionKey("aave", "use"), text="use is 99 %")
    before = len(host.telegram.messages)
    taps_everything(host, ALICE)
    host.reads()
    assert sorted(host.held()) == [("alice", "aave/backing"), ("alice", "aave/use")]
    announced = [each.text.partition("\n")[0] for each in host.telegram.messages[before:]]
    assert len([one for one in announced if "alice has it: " in one]) == 2
    assert any("alice has it: backing is 93 %" in each.text for each in heard(host, before))


@pytest.mark.ci
def test_it_cannot_make_a_critical_silent_for_a_day_whatever_it_taps(host: Chat) -> None:
    host.fires()
    while host.clock.now() < AT + 24 * HOUR:
        for label in ("I have it", "Mute 1 h"):
            host.telegram.tap(ALICE, data_under(host.telegram.messages[0], label), host.telegram.messages[0])
        host.reads()
        host.passes(HALF_HOUR)
        host.fires()
        host.escalates()
    asked = "SELECT created_at FROM alert_events WHERE kind = 'escalation' AND channel = 'on_call_ben' ORDER BY id"
    times = [from_text(row[0]) for row in host.box.database.rows(asked)]
    assert times[0] <= AT + 4 * HOUR + HALF_HOUR, "the one tap that stops questions lasts four hours"
    assert max(later - earlier for earlier, later in pairwise(times)) <= HOUR, "and it cannot be repeated"
    assert len(host.box.database.rows("SELECT id FROM acknowledgements")) == 1
    assert len(host.muted()) <= 2 * MOST_MUTES_OF_CONDITION, "three within any 24 hours"
    sounds = [each for each in heard(host) if each.chat_id == CHAT]
    assert len(sounds) > 15, "reminders, and announcements with the name of the account"


def test_it_cannot_hold_back_what_is_worse_or_the_recovery(host: Chat) -> None:
    host.fires("HIGH")
    taps_everything(host, ALICE)
    host.reads()
    before = len(host.telegram.messages)
    host.passes(HALF_HOUR)
    host.fires("CRITICAL")
    host.recovers()
    assert heard(host, before)[0].text.startswith("🔴 CRITICAL")
    assert "✅ aave: backing is ok again" in host.telegram.messages[-1].text
    host.fires("CRITICAL")
    assert host.telegram.messages[-1].text.startswith("🔴 CRITICAL aave: backing is 93 %"), "a new incident"


def test_it_cannot_take_an_incident_from_somebody_or_end_what_others_did(host: Chat) -> None:
    host.fires()
    host.taps(BEN, "I have it")
    with host.box.database.write() as tx:
        at = host.clock.now()
        silences.put(tx, Silence(0, "compound", None, at, at + HOUR, "upgrade", "ben"))
    sent = host.telegram.messages[0]
    for label in ("I have it", "Mute 1 h"):
        host.telegram.tap(ALICE, data_under(sent, label), sent)
    for text in ("/ack aave/backing --end", "/silence --end 1", "/resume 1", "/mute aave 24h", "/ack aave/backing"):
        host.telegram.write(ALICE, text)
    host.reads()
    assert host.held() == [("ben", "aave/backing")]
    assert host.box.database.rows("SELECT count(*) FROM silences WHERE ends_at > ?", ("2026-11-30T04",)) == [(1,)]


def test_it_cannot_silence_a_protocol_or_for_longer_than_an_hour(host: Chat) -> None:
    host.fires("HIGH")
    taps_everything(host, ALICE)
    host.reads()
    assert host.box.database.rows(
        "SELECT protocol, key, severity, ends_at <= '2026-11-30T04:12:59', hours FROM narrow_silences"
    ) == [("aave", "backing", "HIGH", 1, None)]
    assert host.box.database.rows("SELECT count(*) FROM silences") == [(0,)]


def test_it_cannot_act_elsewhere_or_on_something_else_than_what_a_button_is_about(host: Chat) -> None:
    host.fires()
    host.fires("HIGH", key=ConditionKey("aave", "use"), text="use is 99 %")
    first, second = host.telegram.messages
    mixed = data_under(first, "I have it")[:20] + data_under(second, "I have it")[20:]
    for data, place in (
        (mixed, CHAT),
        (data_under(first, "Mute 1 h"), str(ALICE)),
        (data_under(first, "I have it"), "-1"),
    ):
        host.telegram.tap(ALICE, data, chat=place)
    host.reads()
    assert host.held() == host.muted() == []
    assert host.outcomes() == ["refused: a button that is not ours in this chat"] * 3


def test_it_cannot_read_a_secret_or_change_a_file_or_run_anything(host: Chat) -> None:
    host.fires(blocks=["as reported"])
    files = {path: path.read_bytes() for path in host.directory.glob("*.yaml")}
    taps_everything(host, ALICE)
    for text in ("/run daily", "/deliver", "/pause aave", "/env", "/restart", "/start", "/status"):
        host.telegram.write(ALICE, text)
    host.reads()
    said = " ".join(each.text for each in host.telegram.messages)
    assert BOT_TOKEN not in said
    assert BOT_TOKEN.partition(":")[2] not in said
    assert {path: path.read_bytes() for path in host.directory.glob("*.yaml")} == files
    assert host.box.database.rows("SELECT count(*) FROM runs") == [(0,)]
    assert host.box.database.rows("SELECT count(*) FROM pauses") == [(0,)]


def test_it_cannot_hold_up_alerts_by_asking_for_details(host: Chat) -> None:
    host.fires()
    for _ in range(15):
        host.telegram.tap(ALICE, data_under(host.telegram.messages[0], "Details"), host.telegram.messages[0])
    host.reads()
    assert len(host.telegram.messages) == 1 + MOST_DETAILS_OF_CHAT, "of the twenty a minute that a group takes"
    host.passes(timedelta(minutes=1))
    assert host.taps(ALICE, "Details", host.telegram.messages[0]) == ["Details follow."]


def test_a_strangers_account_in_the_group_can_do_nothing_and_is_recorded(host: Chat) -> None:
    host.fires()
    taps_everything(host, STRANGER)
    host.reads()
    assert host.held() == host.muted() == []
    assert set(host.outcomes()) == {"refused: not named in on_call.yaml"}
    assert len(host.telegram.messages) == 1, "no details for strangers"
    assert labels(host.newest()) == [["I have it", "Mute 1 h", "Details"]]


def test_the_token_of_the_bot_alone_lets_nobody_act(host: Chat) -> None:
    host.fires()
    forged = data_of(key_of(BOT_TOKEN), Button(ButtonAction.MUTE, "Mute 1 h", 1, host.clock.now()), CHAT)
    host.telegram.tap(STRANGER, forged, host.newest())
    host.reads()
    assert host.outcomes() == ["refused: not named in on_call.yaml"]
    assert host.muted() == []


def test_a_second_bot_in_the_group_cannot_write_a_button_of_ours(host: Chat) -> None:
    host.fires()
    theirs = data_of(key_of(f"{BOT}9:their-token"), Button(ButtonAction.MUTE, "Mute 1 h", 1, host.clock.now()), CHAT)
    host.telegram.tap(ALICE, theirs, host.newest())
    host.reads()
    assert host.outcomes() == ["refused: a button that is not ours in this chat"]
    assert host.muted() == []


def test_each_line_of_the_table_names_a_test_of_this_file() -> None:
    table = SECURITY.read_text().partition("<!-- account table -->")[2].partition("<!-- end of account table -->")[0]
    named = [word.strip("`") for line in table.splitlines() for word in line.split() if word.startswith("`test_")]
    ours = {name for name in globals() if name.startswith("test_")} - {
        "test_each_line_of_the_table_names_a_test_of_this_file"
    }
    assert set(named) == ours
