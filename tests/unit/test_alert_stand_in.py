"""The stand-in refuses what Telegram refuses; a stand-in that accepts everything would prove nothing."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from typing import Any

import pytest

from tests.support.fake_telegram import CHAT, Answer, TelegramStandIn
from tools.telegram_rules import fault_of


def bold(offset: int, length: int) -> dict[str, Any]:
    return {"type": "bold", "offset": offset, "length": length}


def entity(kind: str, offset: int, length: int, **more: object) -> dict[str, Any]:
    return {"type": kind, "offset": offset, "length": length, **more}


def fault(text: object = "a🚨b", **fields: object) -> str:
    return fault_of({"chat_id": 1, "text": text, **fields})


@pytest.mark.parametrize(
    "entities",
    [
        [bold(0, 1), bold(1, 2)],
        [bold(0, 4), entity("text_link", 1, 2, url="https://e.org")],
        [entity("blockquote", 0, 4), bold(0, 1)],
        [entity("text_link", 0, 4, url="https://e.org"), bold(0, 4)],
        [entity("pre", 0, 1), entity("code", 1, 2)],
    ],
)
def test_well_formed_entities_pass(entities: list[dict[str, Any]]) -> None:
    assert fault(entities=entities) == ""


@pytest.mark.parametrize(
    ("entities", "why"),
    [
        ([bold(0, 5)], "beyond the end"),
        ([bold(-1, 2)], "positive"),
        ([bold(0, 0)], "positive"),
        ([bold(0, 2)], "surrogate"),
        ([bold(2, 1)], "surrogate"),
        ([bold(0, 3), entity("italic", 1, 3)], "italic overlaps bold"),
        ([entity("code", 0, 4), bold(0, 1)], "bold inside code"),
        ([entity("blockquote", 0, 4), entity("text_link", 0, 1, url="https://e.org")], "text_link inside blockquote"),
        ([entity("blockquote", 0, 4), entity("code", 0, 1)], "code inside blockquote"),
        ([entity("text_link", 0, 1)], "needs a url"),
        ([entity("text_link", 0, 1, url="tg://x")], "needs a url"),
        ([entity("shout", 0, 1)], "unknown type"),
        ([{**bold(0, 1), "colour": "red"}], "unknown field colour"),
        ([], "empty list"),
        ([bold(0, 1)] * 101, "100 are kept"),
    ],
)
def test_malformed_entities_are_refused(entities: list[dict[str, Any]], why: str) -> None:
    assert why in fault(entities=entities)
    assert "parse entities" in fault(entities=entities)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "non-empty"),
        (" \n", "non-empty"),
        (" x", "white space"),
        ("x\n", "white space"),
        ("🚨" * 2049, "too long"),
        ("\ud800", "UTF-8"),
        (None, "must not be null"),
        (5, "empty"),
    ],
)
def test_malformed_texts_are_refused(text: object, why: str) -> None:
    assert why in fault(text)


def test_a_text_of_exactly_4096_units_passes() -> None:
    assert fault("🚨" * 2048) == ""


def test_unknown_and_null_fields_are_refused() -> None:
    assert "unknown field chatid" in fault(chatid=5)
    assert "parse_mode must not be null" in fault(parse_mode=None)
    assert "chat_id is empty" in fault_of({"text": "x"})


# -- over the socket --------------------------------------------------------------------------------------------------


def post(stand_in: TelegramStandIn, payload: object, path: str = "/bot1:a/sendMessage") -> tuple[int, dict[str, Any]]:
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    request = urllib.request.Request(stand_in.url + path, body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def say(text: str = "hello", chat: str = CHAT, **more: object) -> dict[str, object]:
    return {"chat_id": chat, "text": text, **more}


class SteppedClock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def test_what_arrives_is_recorded() -> None:
    with TelegramStandIn(clock=SteppedClock()) as stand_in:
        status, said = post(stand_in, say(message_thread_id=5, disable_notification=True, entities=[bold(0, 5)]))

        (received,) = stand_in.wait_for_messages(1)

    assert (status, said["ok"], said["result"]["message_id"]) == (200, True, 1)
    assert (received.at_s, received.token, received.chat_id, received.thread_id) == (1000.0, "1:a", CHAT, 5)
    assert received.silent
    assert received.marked("bold") == ["hello"]


def test_waiting_in_vain_says_what_arrived() -> None:
    with TelegramStandIn() as stand_in, pytest.raises(TimeoutError, match="0 of 1 messages"):
        stand_in.wait_for_messages(1, timeout_s=0.01)


@pytest.mark.parametrize(
    ("path", "payload", "code", "words"),
    [
        ("/bot9:z/sendMessage", say(), 401, "Unauthorized"),
        ("/bot1:a/sendDice", say(), 404, "Not Found"),
        ("/elsewhere", say(), 404, "Not Found"),
        ("/bot1:a/sendMessage", b"{", 400, "JSON"),
        ("/bot1:a/sendMessage", say(" "), 400, "non-empty"),
        ("/bot1:a/sendMessage", say(chat="-3"), 400, "chat not found"),
        ("/bot1:a/sendMessage", say(chat="-4"), 403, "kicked"),
        ("/bot1:a/sendMessage", say(message_thread_id=6), 400, "TOPIC_CLOSED"),
    ],
)
def test_refusals_are_the_bot_apis(path: str, payload: object, code: int, words: str) -> None:
    with TelegramStandIn(tokens=["1:a"], chats=[CHAT, "-4"]) as stand_in:
        stand_in.kicked_from.add("-4")
        stand_in.closed_topics.add(6)

        status, said = post(stand_in, payload, path)

    assert (status, said["ok"], said["error_code"]) == (code, False, code)
    assert words in said["description"]
    assert stand_in.messages == []


def test_a_migrated_chat_tells_its_new_id() -> None:
    with TelegramStandIn() as stand_in:
        stand_in.migrated[CHAT] = "-1009"

        status, said = post(stand_in, say())

    assert (status, said["parameters"]) == (400, {"migrate_to_chat_id": -1009})


def test_a_bot_can_be_asked_who_it_is() -> None:
    with TelegramStandIn() as stand_in:
        assert post(stand_in, {}, "/bot1:a/getMe")[1]["result"]["is_bot"]


def test_the_script_comes_first_and_none_leaves_it_to_the_rules() -> None:
    with TelegramStandIn() as stand_in:
        stand_in.script(Answer.of_json(500, {}), None, Answer.of_json(502, {}))

        assert [post(stand_in, say())[0] for _ in range(4)] == [500, 200, 502, 200]


def test_a_chat_takes_one_message_a_second() -> None:
    clock = SteppedClock()
    with TelegramStandIn(clock=clock, limits=True) as stand_in:
        assert post(stand_in, say(chat="5"))[0] == 200
        status, said = post(stand_in, say(chat="5"))
        assert (status, said["parameters"]["retry_after"]) == (429, 1)
        assert post(stand_in, say(chat="6"))[0] == 200
        clock.now_s += 1

        assert post(stand_in, say(chat="5"))[0] == 200


def test_a_group_takes_twenty_messages_a_minute() -> None:
    clock = SteppedClock()
    with TelegramStandIn(clock=clock, limits=True) as stand_in:
        for _ in range(20):
            assert post(stand_in, say())[0] == 200
            clock.now_s += 1
        status, said = post(stand_in, say())

        assert (status, said["parameters"]["retry_after"]) == (429, 40)
        assert post(stand_in, say(chat="5"))[0] == 200  # a person is no group


def test_a_bot_sends_thirty_messages_a_second() -> None:
    with TelegramStandIn(clock=SteppedClock(), limits=True) as stand_in:
        codes = [post(stand_in, say(chat=str(chat)))[0] for chat in range(1, 32)]

        assert codes == [200] * 30 + [429]
        assert post(stand_in, say(chat="99"), "/bot2:b/sendMessage")[0] == 200


def test_messages_are_printed_readably() -> None:
    output = io.StringIO()
    with TelegramStandIn(output=output) as stand_in:
        post(stand_in, say("two\nlines", message_thread_id=5))
        stand_in.wait_for_messages(1)

    assert output.getvalue() == (
        f"Telegram stand-in: message 1 to chat {CHAT} topic 5, with sound\n  | two\n  | lines\n"
    )


def test_it_runs_as_a_program() -> None:
    command = [sys.executable, "-m", "tools.telegram_stand_in", "--port", "0"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"}
    ) as program:
        assert program.stdout is not None
        try:
            announced = program.stdout.readline()
            url = re.search(r"TELEGRAM_API_URL=(http://127\.0\.0\.1:\d+)", announced)
            assert url is not None, announced
            body = json.dumps(say("hello there")).encode()
            headers = {"Content-Type": "application/json"}
            with urllib.request.urlopen(
                urllib.request.Request(f"{url[1]}/bot1:a/sendMessage", body, headers), timeout=30
            ):
                pass
            assert [program.stdout.readline() for _ in range(3)][2] == "  | hello there\n"
        finally:
            program.send_signal(signal.SIGTERM)
        assert program.wait(30) == 0
