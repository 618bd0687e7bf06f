"""`run` asks the people of on_call.yaml in their own chats, and says so where the file has mistakes."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support.fake_telegram import BOT_TOKEN, CHAT, TelegramStandIn
from tests.support.host import Host

pytestmark = pytest.mark.ci

RAISES = """
from utils.monitor import CRITICAL, monitor

@monitor("acme")
def main(m):
    m.alert(CRITICAL, "the vault is empty", key="vault")

if __name__ == "__main__":
    main()
"""
ON_CALL = """
zone: Europe/Berlin
people: {ana: {telegram_id: 111}}
rota: {order: [ana], handover: monday 09:00, starts: 2026-10-12T09:00}
escalation: {critical: {steps: [{after: 5m, to: on-call}]}}
"""


@pytest.fixture
def telegram() -> Iterator[TelegramStandIn]:
    with TelegramStandIn() as standing_in:
        yield standing_in


@pytest.fixture
def host(tmp_path: Path, telegram: TelegramStandIn) -> Host:
    """A host on which something CRITICAL began ten minutes ago."""
    made = Host(tmp_path)
    made.environ |= {
        "LOG_LEVEL": "INFO", "TELEGRAM_API_URL": telegram.url, "TELEGRAM_BOT_TOKEN_DEFAULT": BOT_TOKEN,
        "TELEGRAM_CHAT_ID_DEFAULT": CHAT,
    }  # fmt: skip
    made.profile({"vault": RAISES})
    made.automation("run", "hourly")
    began = f"{datetime.now(UTC) - timedelta(minutes=10):%Y-%m-%dT%H:%M:%S.%fZ}"
    with closing(sqlite3.connect(made.cache / "monitoring.db")) as connection, connection:
        connection.execute("UPDATE conditions SET fired_at = ? WHERE check_name = 'vault'", (began,))
    return made


def write(host: Host, text: str) -> None:
    (host.checkout / "automation" / "on_call.yaml").write_text(text)


def heard(telegram: TelegramStandIn, chat: str) -> list[str]:
    return [each.text.partition("\n")[0] for each in telegram.messages if each.chat_id == chat]


def test_a_run_asks_the_person_on_call_in_their_own_chat_once(host: Host, telegram: TelegramStandIn) -> None:
    assert heard(telegram, CHAT)[-1].endswith("the vault is empty")
    write(host, ON_CALL)
    for _ in range(2):
        host.automation("run", "hourly")
    [asked] = heard(telegram, "111")
    assert "not acknowledged: the vault is empty" in asked


def test_deliver_finds_the_chat_of_a_person_too(host: Host, telegram: TelegramStandIn) -> None:
    write(host, ON_CALL)
    telegram.kicked_from.add("111")
    host.automation("run", "hourly")
    assert heard(telegram, "111") == []
    telegram.kicked_from.clear()
    host.automation("deliver")
    assert len(heard(telegram, "111")) == 1


def test_a_file_with_mistakes_is_reported_once_and_stops_no_check(host: Host, telegram: TelegramStandIn) -> None:
    write(host, ON_CALL.replace("Berlin", "Berlim"))
    for _ in range(2):
        assert "Traceback" not in host.automation("run", "hourly").stderr
    assert sum("on_call.yaml has mistakes" in line for line in heard(telegram, CHAT)) == 1
    write(host, ON_CALL)
    host.automation("run", "hourly")
    assert len(heard(telegram, "111")) == 1


def test_a_test_run_asks_nobody(host: Host, telegram: TelegramStandIn) -> None:
    write(host, ON_CALL)
    host.automation("run", "hourly", TELEGRAM_TEST_CHAT_ID="-7")
    assert heard(telegram, "111") == []
    assert not any("not acknowledged" in line for line in heard(telegram, "-7"))
