"""The data in a button: it fits, it is read back, and nobody else can write it."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime

import pytest

from monitoring.alerts.senders import Button, ButtonAction
from monitoring.alerts.senders.telegram.buttons import MAX_DATA_BYTES, data_of, key_of, read_data
from tests.support.fake_telegram import BOT_TOKEN, CHAT

AT = datetime(2026, 11, 30, 3, 12, 7, 500_000, tzinfo=UTC)
KEY = key_of(BOT_TOKEN)


def button(
    action: ButtonAction = ButtonAction.HAVE_IT, alert_id: int = 71, which: int = 0, at: datetime = AT
) -> Button:
    return Button(action, action.value, alert_id, at, which)


@pytest.mark.parametrize("action", ButtonAction)
@pytest.mark.parametrize("alert_id", [1, 71, 2**63 - 1])
@pytest.mark.parametrize("chat", [CHAT, "123456789", "-100" + "9" * 13, "@channel_of_alerts"])
def test_what_is_written_is_read_back_within_64_bytes(action: ButtonAction, alert_id: int, chat: str) -> None:
    data = data_of(KEY, button(action, alert_id, 4), chat)
    assert len(data.encode()) <= MAX_DATA_BYTES
    found = read_data(KEY, data, [chat])
    assert found is not None
    assert (found.action, found.alert_id, found.which) == (action, alert_id, 4)
    assert found.is_of(AT)
    assert not found.is_of(AT.replace(second=8))


def test_it_holds_in_the_chat_it_was_sent_to_alone_whichever_name_that_has() -> None:
    data = data_of(KEY, button(), CHAT)
    assert read_data(KEY, data, ["-1009999999999"]) is None
    assert read_data(KEY, data, []) is None
    assert read_data(KEY, data, ["-1009999999999", CHAT]) is not None
    assert read_data(KEY, data_of(KEY, button(), "@Alerts"), ["@alerts"]) is not None


def test_each_altered_character_makes_it_nobodys() -> None:
    data = data_of(KEY, button(), CHAT)
    letters = "AbZ09-_+/= \nä"
    altered = [data[:at] + other + data[at + 1 :] for at, other in itertools.product(range(len(data)), letters)]
    assert {read_data(KEY, each, [CHAT]) for each in altered if each != data} == {None}


def test_another_spelling_is_not_read() -> None:
    data = data_of(KEY, button(), CHAT)
    for other in (data[:-1], data + "A", data + "==", " " + data, data.lower(), ""):
        assert read_data(KEY, other, [CHAT]) is None


def test_what_the_spare_bits_of_its_last_character_say_is_not_read() -> None:
    data = data_of(KEY, button(), CHAT)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    assert [each for each in alphabet if read_data(KEY, data[:-1] + each, [CHAT])] == [data[-1]]


def test_another_bot_cannot_write_it() -> None:
    other = key_of("987654321:AAAnother-token_that_no_log_may_show_00")
    assert read_data(KEY, data_of(other, button(), CHAT), [CHAT]) is None
    assert key_of(f" {BOT_TOKEN}\n") == KEY
    assert BOT_TOKEN.encode() not in KEY


@pytest.mark.parametrize("at", [datetime(1969, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)])
def test_a_clock_that_was_wrong_loses_no_alert_its_buttons(at: datetime) -> None:
    found = read_data(KEY, data_of(KEY, button(at=at), CHAT), [CHAT])
    assert found is not None
    assert found.is_of(at)
