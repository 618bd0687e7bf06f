"""`python -m automation listen` as its user starts it: one of a host, refused without a bot, ended by a signal."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from monitoring.base.locks.chat_reader import holder
from tests.support.fake_telegram import BOT_TOKEN, CHAT, TelegramStandIn
from tests.support.host import Host

pytestmark = pytest.mark.ci


@pytest.fixture
def telegram() -> Iterator[TelegramStandIn]:
    with TelegramStandIn() as standing_in:
        yield standing_in


@pytest.fixture
def host(tmp_path: Path, telegram: TelegramStandIn) -> Host:
    made = Host(tmp_path)
    made.environ |= {
        "LOG_LEVEL": "INFO", "TELEGRAM_API_URL": telegram.url, "TELEGRAM_BOT_TOKEN_DEFAULT": BOT_TOKEN,
        "TELEGRAM_CHAT_ID_DEFAULT": CHAT,
    }  # fmt: skip
    made.profile({"good": "print('fine')"})
    return made


def polls(telegram: TelegramStandIn) -> int:
    return sum(each.path.endswith("getUpdates") for each in telegram.requests)


def test_a_second_one_of_this_host_is_told_who_reads_and_the_first_ends_in_its_poll(
    host: Host, telegram: TelegramStandIn
) -> None:
    first = host.start("listen")
    assert telegram.wait_for(lambda: polls(telegram) > 1, 90)  # the second poll is held for half a minute
    second = host.automation("listen")
    assert second.returncode == 75
    assert "the chat is read already, by another process (pid" in second.stderr
    assert f"pid {first.pid}" in second.stderr
    assert "Traceback" not in second.stderr
    first.send_signal(signal.SIGTERM)
    output, _ = first.communicate(timeout=60)
    assert first.returncode == 0
    assert "Traceback" not in output
    assert BOT_TOKEN not in output
    assert holder(host.cache / "locks") is None


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"TELEGRAM_BOT_TOKEN_DEFAULT": ""}, "TELEGRAM_BOT_TOKEN_DEFAULT is not set"),
        ({"LOG_LEVEL": "DEBUG"}, "LOG_LEVEL=DEBUG sends nothing"),
    ],
)
def test_without_a_bot_or_where_nothing_is_sent_it_says_so(host: Host, environ: dict[str, str], words: str) -> None:
    done = host.automation("listen", **environ)
    assert done.returncode == 2
    assert words in done.stderr
