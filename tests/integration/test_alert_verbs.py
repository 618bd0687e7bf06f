"""`alerts`, `incidents`, `silence` and `deliver` as an operator types them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from monitoring.alerts.recording.store_alert import record
from tests.support.child import CHECKOUT
from tests.support.fake_telegram import BOT_TOKEN, TelegramStandIn
from tests.support.outbox import Outbox, alert


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    with TelegramStandIn() as telegram:
        box = Outbox(tmp_path, telegram.url)
        yield box
        box.close()


def automation(outbox: Outbox, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        [sys.executable, "-m", "automation", *arguments],
        cwd=CHECKOUT,
        env={**inherited, "CACHE_DIR": str(outbox.directory), "MONITORING_ENV_FILE": "", **environ},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def put(outbox: Outbox, *titles: str, **more: object) -> None:
    for title in titles:
        record(outbox.database, alert(title, **more), now=datetime.now(UTC))


def test_alerts_lists_the_newest_first_with_filters_and_json(outbox: Outbox) -> None:
    put(outbox, "first", "second")
    put(outbox, "third", protocol="maple", severity="LOW")
    record(outbox.database, alert("long ago"), now=datetime.now(UTC) - timedelta(days=3))
    listed = automation(outbox, "alerts", "--limit", "3").stdout.splitlines()
    assert [line.split("  ")[-1].strip() for line in listed] == ["TITLE", "long ago", "third", "second"]
    found = json.loads(automation(outbox, "alerts", "--json", "--protocol", "maple", "--severity", "low").stdout)
    assert [(each["id"], each["title"], each["delivery_status"]) for each in found] == [(3, "third", "pending")]
    old = json.loads(automation(outbox, "alerts", "--json", "--until", "1d").stdout)
    assert [each["title"] for each in old] == ["long ago"]
    assert len(json.loads(automation(outbox, "alerts", "--json", "--since", "1h", "--until", "2999-01-01").stdout)) == 3


@pytest.mark.parametrize("arguments", [("--since", "soon"), ("--severity", "URGENT"), ("--limit", "0")])
def test_a_filter_that_makes_no_sense_is_a_usage_error(outbox: Outbox, arguments: tuple[str, str]) -> None:
    done = automation(outbox, "alerts", *arguments)
    assert done.returncode == 2
    assert "write" in done.stderr


def test_alerts_follow_prints_what_comes(outbox: Outbox) -> None:
    put(outbox, "there already")
    process = subprocess.Popen(
        [sys.executable, "-m", "automation", "alerts", "--follow", "--json"],
        cwd=CHECKOUT, env={**os.environ, "CACHE_DIR": str(outbox.directory), "MONITORING_ENV_FILE": ""},
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        assert json.loads(process.stdout.readline())["title"] == "there already"
        put(outbox, "comes now")
        assert json.loads(process.stdout.readline())["title"] == "comes now"
    finally:
        process.kill()
        process.wait(30)
        process.stdout.close()


def test_a_route_is_printed_without_a_secret_and_without_sending(outbox: Outbox) -> None:
    environ = {**outbox.environ, "TELEGRAM_TOPIC_ID_AAVE": "7", "TELEGRAM_CHAT_ID_TOPICS": "-100777"}
    done = automation(outbox, "alerts", "--route", "aave", **environ)
    assert done.returncode == 0
    assert "chat -100777, topic 7" in done.stdout
    assert BOT_TOKEN not in done.stdout + done.stderr


def test_incidents_shows_what_fires_and_on_request_what_is_over(outbox: Outbox) -> None:
    put(outbox, "backing", key="backing")
    put(outbox, "backing", key="backing", severity="CRITICAL")
    lines = automation(outbox, "incidents").stdout.splitlines()
    assert len(lines) == 2
    assert "backing" in lines[1]
    assert "CRITICAL" in lines[1]
    (found,) = json.loads(automation(outbox, "incidents", "--all", "--json").stdout)
    assert (found["state"], found["times"], found["worst"], found["silenced"]) == ("firing", 2, "CRITICAL", False)


@pytest.mark.parametrize("key", ["price[0]", "what?", "it's", "a b/$HOME", "\u20ac*"])
def test_the_command_of_an_alert_mutes_it_when_typed_in_a_shell(outbox: Outbox, key: str) -> None:
    put(outbox, "low", protocol="my vault", key=key)
    (text,) = outbox.database.row("SELECT message FROM alert_events") or ("",)
    (command,) = [line.removeprefix("Mute: ") for line in str(text).splitlines() if line.startswith("Mute: ")]
    typed = subprocess.run(
        ["sh", "-c", f"printf '%s\\n' {command}"], capture_output=True, text=True, check=True, timeout=60
    ).stdout.splitlines()
    assert automation(outbox, *typed).returncode == 0
    (found,) = json.loads(automation(outbox, "incidents", "--json").stdout)
    assert (found["key"], found["silenced"]) == (key, True)


def test_a_silence_is_made_listed_and_ended(outbox: Outbox) -> None:
    made = automation(outbox, "silence", "--protocol", "aave", "--key", "peg/*", "--for", "2h", "--reason", "upgrade")
    assert (made.returncode, made.stdout.split(",")[0]) == (0, "silence 1: aave peg/* for 2 h")
    put(outbox, "held back", key="peg/USDC")
    (listed,) = json.loads(automation(outbox, "silence", "--list", "--json").stdout)
    assert (listed["active"], listed["silenced"], listed["reason"]) == (True, 1, "upgrade")
    assert "silenced" in automation(outbox, "incidents").stdout
    assert automation(outbox, "silence", "--end", "1").returncode == 0
    assert automation(outbox, "silence", "--end", "1").returncode == 1
    assert "ended" in automation(outbox, "silence", "--list").stdout
    assert automation(outbox, "deliver", **outbox.environ).stdout.startswith("1 delivered")


@pytest.mark.parametrize(
    "arguments",
    [
        ("--protocol", "aave", "--reason", "x"),
        ("--protocol", "aave", "--reason", "x", "--for", "31d"),
        ("--protocol", "aave", "--reason", "x", "--for", "0"),
        ("--protocol", "aave", "--reason", "x", "--until", "2020-01-01"),
        ("--protocol", "aave", "--reason", "x", "--for", "1h", "--until", "2999-01-01"),
        ("--protocol", "aave", "--for", "1h"),
        ("--for", "1h", "--reason", "x"),
    ],
)
def test_a_silence_without_an_end_a_reason_or_a_protocol_is_refused(outbox: Outbox, arguments: tuple[str, ...]) -> None:
    assert automation(outbox, "silence", *arguments).returncode == 2
    assert outbox.database.row("SELECT count(*) FROM silences") == (0,)


def test_deliver_sends_what_waits_and_says_what_is_left_and_why(outbox: Outbox) -> None:
    put(outbox, "waits")
    bare = automation(outbox, "deliver", "--within", "5s")
    assert bare.returncode == 1
    assert "0 delivered, 0 failed, 1 waiting" in bare.stdout
    assert "waiting for TELEGRAM_CHAT_ID_DEFAULT" in bare.stdout
    sent = automation(outbox, "deliver", **outbox.environ)
    assert (sent.returncode, sent.stdout.strip()) == (0, "1 delivered, 0 failed, 0 waiting")
    found = json.loads(automation(outbox, "deliver", "--json", **outbox.environ).stdout)
    assert found == {"delivered": 0, "failed": 0, "waiting": 0, "next_attempt_at": None, "left": []}


def test_deliver_under_debug_sends_nothing_and_loses_nothing(outbox: Outbox) -> None:
    put(outbox, "waits")
    done = automation(outbox, "deliver", "--within", "2s", LOG_LEVEL="DEBUG", **outbox.environ)
    assert done.returncode == 1
    assert "LOG_LEVEL=DEBUG: nothing is sent" in done.stdout
    assert outbox.statuses() == {"pending": 1}
