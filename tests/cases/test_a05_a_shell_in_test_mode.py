"""Input: production's CRITICAL waits; somebody runs `deliver`, a script or a run by hand with TELEGRAM_TEST_CHAT_ID set
in that one shell. Right: such a process sends only what it raised itself; the CRITICAL still waits for its own chat,
webhook and further addresses.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from monitoring.alerts.recording.store_alert import record
from tests.support.child import CHECKOUT
from tests.support.fake_telegram import CHAT, TelegramStandIn
from tests.support.fake_webhook import SECRET, FakeWebhook
from tests.support.outbox import Outbox, alert
from tests.support.verbs import automation

pytestmark = pytest.mark.case("A.5")

TEST_MODE = {"TELEGRAM_TEST_CHAT_ID": "-100999"}


@pytest.fixture
def telegram() -> Iterator[TelegramStandIn]:
    with TelegramStandIn() as server:
        yield server


@pytest.fixture
def outbox(tmp_path: Path, telegram: TelegramStandIn) -> Iterator[Outbox]:
    box = Outbox(tmp_path, telegram.url)
    yield box
    box.close()


def put(outbox: Outbox, title: str, run_id: int | None = None, severity: str = "CRITICAL") -> None:
    record(outbox.database, alert(title, severity), now=datetime.now(UTC), run_id=run_id)


def chats(telegram: TelegramStandIn) -> list[tuple[str, str]]:
    return [(message.chat_id, message.text.split("\n")[0].rpartition(" ")[2]) for message in telegram.messages]


def test_deliver_sends_nothing_of_others_and_says_so(outbox: Outbox, telegram: TelegramStandIn) -> None:
    put(outbox, "production", run_id=7)
    put(outbox, "by-hand")
    done = automation(outbox.directory, "deliver", "--within", "3s", **{**outbox.environ, **TEST_MODE})
    assert done.returncode == 1
    assert "TELEGRAM_TEST_CHAT_ID is set: alerts of other processes are not sent" in done.stdout
    assert telegram.requests == []
    assert outbox.statuses() == {"pending": 2}
    assert automation(outbox.directory, "deliver", **outbox.environ).returncode == 0
    assert chats(telegram) == [(CHAT, "production"), (CHAT, "by-hand")]


def test_a_run_in_test_mode_sends_its_own_alerts_and_leaves_every_destination_of_the_others(
    outbox: Outbox, telegram: TelegramStandIn
) -> None:
    with FakeWebhook() as machine:
        outbox.environ |= {"WEBHOOK_URL_AAVE": machine.url, "WEBHOOK_SECRET": SECRET}
        put(outbox, "production", run_id=7)
        put(outbox, "mine", run_id=8)
        outbox.drain({**outbox.environ, **TEST_MODE}, run_id=8, within_s=3)
        assert chats(telegram) == [("-100999", "mine")]
        assert machine.requests == []
        outbox.drain(run_id=9, within_s=5)
        assert chats(telegram)[1:] == [(CHAT, "production")]
        assert [body["title"] for body in machine.verified] == ["production"]


def test_a_drill_in_test_mode_arrives_there_and_takes_nothing_along(outbox: Outbox, telegram: TelegramStandIn) -> None:
    put(outbox, "production", run_id=7)
    put(outbox, "by-hand")
    done = automation(outbox.directory, "drill", **{**outbox.environ, **TEST_MODE})
    assert done.returncode == 0, done.stdout
    assert [message.chat_id for message in telegram.messages] == ["-100999"]
    assert "DRILL" in telegram.messages[0].text


def test_it_neither_ends_a_silence_nor_gives_up_nor_marks_what_others_raised(
    outbox: Outbox, telegram: TelegramStandIn
) -> None:
    put(outbox, "production", run_id=7, severity="LOW")
    before = outbox.database.rows("SELECT status, error, attempts FROM deliveries")
    without_token = {"TELEGRAM_API_URL": telegram.url, **TEST_MODE}
    outbox.drain(without_token, run_id=8, within_s=1)
    assert outbox.database.rows("SELECT status, error, attempts FROM deliveries") == before


def test_a_script_by_hand_in_test_mode_sends_its_own_alert_alone(outbox: Outbox, telegram: TelegramStandIn) -> None:
    put(outbox, "production", run_id=7)
    put(outbox, "by-hand")
    script = outbox.directory / "main.py"
    script.write_text(
        "from utils.monitor import *\n\n\n@monitor('aave')\ndef main(m):\n    m.alert(HIGH, 'mine')\n\n\nmain()\n"
    )
    inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    world = {"PYTHONPATH": str(CHECKOUT), "CACHE_DIR": str(outbox.directory), "MONITORING_ENV_FILE": ""}
    done = subprocess.run(
        [sys.executable, str(script)],
        env={**inherited, **world, **outbox.environ, **TEST_MODE},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert chats(telegram) == [("-100999", "mine")]
    assert outbox.statuses() == {"pending": 2, "delivered": 1}
