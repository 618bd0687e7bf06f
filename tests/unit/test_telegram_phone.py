"""What is typed into the stand-in of Telegram: taps and texts as a phone sends them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import Mapping
from typing import IO, Any

import pytest

from tests.support.fake_telegram import CHAT, TelegramStandIn
from tools.telegram_phone import HELP, Phone

BUTTONS = {
    "inline_keyboard": [[{"text": text, "callback_data": text[:1]} for text in ("I have it", "Mute 1 h", "Details")]]
}


def ask(url: str, method: str, **body: Any) -> Any:
    request = urllib.request.Request(
        f"{url}/bot1:a/{method}", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read())["result"]


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("tap 1", "Which button? Message 1 has: I have it, Mute 1 h, Details"),
        ("tap 1 9", "Which button? Message 1 has: I have it, Mute 1 h, Details"),
        ("tap 7 1", "There is no message 7."),
        ("hello", HELP),
        ("", ""),
    ],
)
def test_what_cannot_be_done_says_what_can(line: str, shown: str) -> None:
    with TelegramStandIn() as telegram:
        ask(telegram.url, "sendMessage", chat_id=int(CHAT), text="an alert", reply_markup=BUTTONS)
        assert Phone(telegram, 111111).do(line) == shown
        assert telegram.updates == []


def test_taps_and_commands_arrive_as_telegram_sends_them() -> None:
    with TelegramStandIn() as telegram:
        ask(telegram.url, "sendMessage", chat_id=int(CHAT), text="an alert", reply_markup=BUTTONS)
        phone = Phone(telegram, 111111)
        assert phone.do("tap 1 mute") == "Account 111111 taps: Mute 1 h"
        assert phone.do("as 222222") == "You are account 222222 now."
        assert phone.do("/firing") == phone.do("private /start") == ""
        tap, group, private = telegram.updates
    assert (tap["callback_query"]["data"], tap["callback_query"]["from"]["id"]) == ("M", 111111)
    assert [(each["message"]["chat"]["id"], each["message"]["text"]) for each in (group, private)] == [
        (int(CHAT), "/firing"),
        (222222, "/start"),
    ]


def test_from_the_command_line_a_tap_is_answered_and_the_changed_message_is_shown() -> None:
    command = [sys.executable, "-m", "tools.telegram_stand_in", "--port", "0"]
    environ: Mapping[str, str] = {**os.environ, "PYTHONUNBUFFERED": "1"}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environ) as program:
        assert program.stdin is not None
        assert program.stdout is not None
        try:
            url = re.findall(r"http://\S+", until(program.stdout, "TELEGRAM_API_URL="))[0]
            ask(url, "sendMessage", chat_id=int(CHAT), text="an alert", reply_markup=BUTTONS)
            assert until(program.stdout, "I have it") == "  [1 I have it] [2 Mute 1 h] [3 Details]\n"
            print("tap 1 2", file=program.stdin, flush=True)
            until(program.stdout, "taps: Mute 1 h")
            [update] = ask(url, "getUpdates", timeout=0)
            ask(url, "answerCallbackQuery", callback_query_id=update["callback_query"]["id"], text="Muted.")
            assert until(program.stdout, "who tapped reads").endswith("reads: Muted.\n")
            ask(url, "editMessageText", chat_id=int(CHAT), message_id=1, text="an alert, muted")
            assert until(program.stdout, "  | ") == "  | an alert, muted\n"
        finally:
            program.terminate()


def until(lines: IO[str], words: str) -> str:
    return next(line for line in lines if words in line)
