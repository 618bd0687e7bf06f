"""Input: LOG_LEVEL with blanks or in another case; alerts that arrive long after they were raised; a digest that all is
well; ten alerts that wait for a token, then a drill. Right: one meaning of LOG_LEVEL everywhere, said by `status` and
`doctor`; no age that stops being true; good news without a sound; what waited is one message and the drill comes next.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from monitoring.alerts.message.digest import DigestInput, TaskOutcome, record_digest
from monitoring.alerts.message.model import Alert
from monitoring.alerts.message.text import line, since
from monitoring.alerts.recording.store_alert import record
from tests.support.fake_telegram import BOT_TOKEN, TelegramStandIn
from tests.support.fake_webhook import SECRET, FakeWebhook
from tests.support.outbox import Outbox, alert
from tests.support.verbs import automation

pytestmark = pytest.mark.case("A.9")


@pytest.fixture
def telegram() -> Iterator[TelegramStandIn]:
    with TelegramStandIn() as server:
        yield server


@pytest.fixture
def outbox(tmp_path: Path, telegram: TelegramStandIn) -> Iterator[Outbox]:
    box = Outbox(tmp_path, telegram.url)
    yield box
    box.close()


def now() -> datetime:
    return datetime.now(UTC)


@pytest.mark.parametrize("level", ["DEBUG", "DEBUG ", " debug", "Debug\t"])
def test_debug_mutes_however_it_is_spelled_and_everything_says_so(
    outbox: Outbox, telegram: TelegramStandIn, level: str
) -> None:
    record(outbox.database, alert("waits"), now=now())
    environ = {**outbox.environ, "LOG_LEVEL": level}
    done = automation(outbox.directory, "deliver", "--within", "1s", **environ)
    assert "LOG_LEVEL=DEBUG: nothing is sent" in done.stdout
    assert telegram.requests == []
    warnings = json.loads(automation(outbox.directory, "status", "--json", **environ).stdout)["warnings"]
    assert "LOG_LEVEL=DEBUG: alerts are recorded and nothing is sent" in warnings


@pytest.mark.parametrize("level", ["VERBOSE", "debug!", "10", "true"])
def test_a_level_nobody_knows_is_info_and_that_is_said(outbox: Outbox, telegram: TelegramStandIn, level: str) -> None:
    record(outbox.database, alert("arrives"), now=now())
    environ = {**outbox.environ, "LOG_LEVEL": level}
    assert automation(outbox.directory, "deliver", **environ).returncode == 0
    assert len(telegram.messages) == 1
    warnings = json.loads(automation(outbox.directory, "status", "--json", **environ).stdout)["warnings"]
    assert any(f"LOG_LEVEL={level!r} is not a level, INFO is used" in warning for warning in warnings)


def test_no_text_that_is_stored_or_sent_holds_an_age_that_stops_being_true(
    outbox: Outbox, telegram: TelegramStandIn
) -> None:
    raised_at = now() - timedelta(minutes=18)
    with FakeWebhook() as machine:
        outbox.environ |= {"WEBHOOK_URL_AAVE": machine.url, "WEBHOOK_SECRET": SECRET}
        oracle = since(raised_at - timedelta(seconds=44))
        record(
            outbox.database,
            Alert("CRITICAL", "stale", line("last update ", oracle), protocol="aave", machine=True),
            now=raised_at,
        )
        outbox.drain(within_s=5)
        (stored,) = outbox.database.row("SELECT message FROM alert_events") or ()
        texts = [stored, telegram.messages[0].text, machine.verified[0]["message"]]
    for text in texts:
        assert f"{raised_at - timedelta(seconds=44):%Y-%m-%d %H:%M} UTC (44 s before this alert)" in text
        assert not re.search(r"\bago\b", text)


def test_good_news_makes_no_sound(outbox: Outbox, telegram: TelegramStandIn) -> None:
    for failed in (True, False):
        outcome = TaskOutcome("aave", failed, "exit code 1") if failed else TaskOutcome("aave", failed)
        record_digest(outbox.database, DigestInput("hourly", (outcome,), run_id=1), now())
    outbox.drain(within_s=5)
    sounds = {message.text.split("\n")[0]: not message.silent for message in telegram.messages}
    assert list(sounds.values()) == [True, False], sounds


def test_what_waited_for_a_token_is_one_message_the_worst_first_and_the_drill_comes_next(
    outbox: Outbox, telegram: TelegramStandIn
) -> None:
    bare = {"TELEGRAM_API_URL": telegram.url}
    for number in range(10):
        severity = ("LOW", "MEDIUM", "HIGH", "CRITICAL")[number % 4]
        record(outbox.database, alert(f"number {number}", severity), now=now() - timedelta(minutes=30 - number))
    outbox.drain(bare, within_s=1)
    assert outbox.statuses() == {"skipped_missing_credentials": 10}
    done = automation(outbox.directory, "drill", **outbox.environ)
    assert done.returncode == 0, done.stdout
    folded, drill = telegram.messages
    assert (
        folded.text.split("\n")[0] == "🔴 CRITICAL aave: 10 alerts in one message (2 CRITICAL, 2 HIGH, 3 MEDIUM, 3 LOW)"
    )
    order = re.findall(r"number \d", folded.text)
    assert order == [f"number {number}" for number in (3, 7, 2, 6, 1, 5, 9, 0, 4, 8)]
    assert not folded.silent, "two of them are CRITICAL and half an hour old"
    assert "DRILL" in drill.text
    assert outbox.statuses() == {"delivered": 11}


def test_a_token_that_was_refused_for_a_while_makes_one_message_of_all_that_came_meanwhile(
    outbox: Outbox, telegram: TelegramStandIn
) -> None:
    outbox.environ["TELEGRAM_BOT_TOKEN_DEFAULT"] = "123456789:revoked"
    telegram.tokens = {BOT_TOKEN}
    for number in range(4):
        record(outbox.database, alert(f"number {number}"), now=now())
        outbox.drain(within_s=1, at_once=True)
    outbox.environ["TELEGRAM_BOT_TOKEN_DEFAULT"] = BOT_TOKEN
    outbox.drain(within_s=5)
    assert [message.text.split("\n")[0] for message in telegram.messages] == [
        "🚨 HIGH aave: 4 alerts in one message (4 HIGH)"
    ]
    assert outbox.statuses() == {"delivered": 4}
