"""Alerts wait or end undelivered: a chat that refuses, a revoked token, a dead network, a full disk.

In: each of these, one after the other stage: before, during, after. Right: the exit code of `run`, the heartbeat,
`/healthz`, `/metrics`, the page, `status`, `doctor` and `audit` say the same at every moment; afterwards every alert
arrives, the worst first.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.fake_telegram import BOT_TOKEN, CHAT, TelegramStandIn
from tests.support.host import Host
from tests.support.surfaces import Surfaces
from tests.support.web import free_port, serving
from tools.scripted_server import ScriptedServer

pytestmark = [pytest.mark.case("A.3"), pytest.mark.ci]

RAISES = """
import os, pathlib
from utils.monitor import CRITICAL, HIGH, LOW, monitor

@monitor("aave")
def main(m):
    if os.path.exists("raise"):
        os.remove("raise")
        m.alert(LOW, "a small thing")
        m.alert(HIGH, "a big thing")
        m.alert(CRITICAL, "the vault is empty")

if __name__ == "__main__":
    main()
"""
WORST_FIRST = ["the vault is empty", "a big thing", "a small thing"]


@pytest.fixture
def telegram() -> Iterator[TelegramStandIn]:
    with TelegramStandIn(tokens=[BOT_TOKEN]) as stand_in:
        yield stand_in


@pytest.fixture
def host(tmp_path: Path) -> Host:
    made = Host(tmp_path)
    made.profile({"raises": RAISES}, options="heartbeat_env: PING")
    return made


@pytest.fixture
def surfaces(host: Host, telegram: TelegramStandIn) -> Iterator[Surfaces]:
    with ScriptedServer() as watcher:
        environ = {
            "TELEGRAM_API_URL": telegram.url,
            "TELEGRAM_BOT_TOKEN_DEFAULT": BOT_TOKEN,
            "TELEGRAM_CHAT_ID_DEFAULT": CHAT,
            "PING": f"{watcher.url}/key",
        }
        host.automation("run", "hourly", **environ)  # makes the database
        with serving(host.cache) as web:
            yield Surfaces(host, web, watcher, environ)


def raise_three(host: Host) -> None:
    (host.checkout / "raise").touch()


def all_say(said: dict[str, bool], *, reached: bool) -> None:
    assert said == dict.fromkeys(said, reached)


def let_time_pass(host: Host, minutes: int) -> None:
    """Make everything in the outbox older than it is."""
    with closing(sqlite3.connect(host.cache / "monitoring.db", timeout=30)) as connection, connection:
        for table, column in (
            ("alert_events", "created_at"),
            ("deliveries", "created_at"),
            ("deliveries", "next_attempt_at"),
            ("lanes", "blocked_until"),
        ):
            earlier = f"strftime('%Y-%m-%dT%H:%M:%fZ', {column}, '-{minutes} minutes')"
            connection.execute(f"UPDATE {table} SET {column} = {earlier} WHERE {column} IS NOT NULL")


def arrived(telegram: TelegramStandIn) -> list[str]:
    return [title for message in telegram.messages for title in WORST_FIRST if title in message.text]


def deliver(surfaces: Surfaces) -> None:
    surfaces.host.automation("deliver", **surfaces.environ)


def test_a_revoked_token(surfaces: Surfaces, host: Host, telegram: TelegramStandIn) -> None:
    all_say(surfaces.after_a_run(), reached=True)
    telegram.tokens = set()
    raise_three(host)
    all_say(surfaces.after_a_run(), reached=False)
    all_say(surfaces.after_a_run(), reached=False)
    telegram.tokens = {BOT_TOKEN}
    deliver(surfaces)
    all_say(surfaces.after_a_run(), reached=True)
    assert arrived(telegram) == WORST_FIRST


def test_a_dead_network(surfaces: Surfaces, host: Host, telegram: TelegramStandIn) -> None:
    dead = Surfaces(
        host, surfaces.web, surfaces.watcher,
        {**surfaces.environ, "TELEGRAM_API_URL": f"http://127.0.0.1:{free_port()}"},
    )  # fmt: skip
    raise_three(host)
    all_say(dead.after_a_run(), reached=True)  # it may pass: ten minutes are given
    let_time_pass(host, 11)
    all_say(dead.now(), reached=False)
    all_say(dead.after_a_run(), reached=False)
    let_time_pass(host, 11)
    deliver(surfaces)
    all_say(surfaces.after_a_run(), reached=True)
    assert arrived(telegram) == WORST_FIRST


def test_a_chat_that_refuses(surfaces: Surfaces, host: Host, telegram: TelegramStandIn) -> None:
    telegram.kicked_from = {CHAT}
    raise_three(host)
    all_say(surfaces.after_a_run(), reached=False)
    all_say(surfaces.after_a_run(), reached=False)
    telegram.kicked_from = set()
    deliver(surfaces)
    all_say(surfaces.after_a_run(), reached=True)
    assert arrived(telegram) == WORST_FIRST


@pytest.fixture
def small_disk(host: Host) -> Iterator[Path]:
    """Put the state on a small file system; it yields the file that fills it."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", host.cache], check=True)
    try:
        yield host.cache / "fill"
    finally:
        subprocess.run(["umount", "--lazy", host.cache], check=True)


def test_a_full_disk(small_disk: Path, surfaces: Surfaces, host: Host, telegram: TelegramStandIn) -> None:
    all_say(surfaces.after_a_run(), reached=True)
    subprocess.run(["sh", "-c", f"head -c 8M /dev/zero >{small_disk}"], check=False, stderr=subprocess.DEVNULL)
    raise_three(host)
    all_say(surfaces.after_a_run(), reached=False)
    all_say(surfaces.now(), reached=False)
    (direct,) = telegram.messages
    assert "nothing can be stored" in direct.text
    small_disk.unlink()
    telegram.messages.clear()
    all_say(surfaces.after_a_run(), reached=True)
    assert arrived(telegram) == WORST_FIRST
