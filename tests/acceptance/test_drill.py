"""The fire drill: a labelled alert really goes the whole way, and its time is told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.fake_telegram import BOT_TOKEN, CHAT, HANG, TelegramStandIn, error
from tests.support.host import Host


@pytest.fixture
def telegram() -> Iterator[TelegramStandIn]:
    with TelegramStandIn() as running:
        yield running


@pytest.fixture
def host(tmp_path: Path, telegram: TelegramStandIn) -> Host:
    made = Host(tmp_path)
    made.environ |= {
        "TELEGRAM_API_URL": telegram.url,
        "TELEGRAM_BOT_TOKEN_DEFAULT": BOT_TOKEN,
        "TELEGRAM_CHAT_ID_DEFAULT": CHAT,
    }
    return made


def test_a_drill_arrives_labelled_and_with_sound_and_tells_its_time(host: Host, telegram: TelegramStandIn) -> None:
    done = host.automation("drill", "--channel", "aave", TELEGRAM_CHAT_ID_AAVE="-100777")
    assert (done.returncode, done.stdout[:9]) == (0, "drill 1: "), done.stderr
    assert "delivered after" in done.stdout
    (message,) = telegram.messages
    assert (message.chat_id, message.silent) == ("-100777", False)
    assert "DRILL" in message.text
    assert host.rows("SELECT kind, severity, channel, protocol FROM alert_events") == [("drill", "MEDIUM", "", "aave")]
    audit = json.loads(host.automation("audit", "--json").stdout)
    assert audit["last_drill"]["took_s"] < 60
    assert "alarm path not drilled" not in {found["kind"] for found in audit["findings"]}


def test_a_drill_in_the_test_chat_is_no_drill_of_the_path(host: Host, telegram: TelegramStandIn) -> None:
    assert host.automation("drill", TELEGRAM_TEST_CHAT_ID="-100999").returncode == 0
    assert [message.chat_id for message in telegram.messages] == ["-100999"]
    audit = json.loads(host.automation("audit", "--json").stdout)
    assert audit["last_drill"] is None
    assert {"alarm path not drilled", "alerts not sent"} <= {found["kind"] for found in audit["findings"]}


def test_a_drill_calls_no_machine(host: Host, telegram: TelegramStandIn) -> None:
    hook = {"WEBHOOK_URL_AUTOMATION": telegram.url + "/hook", "WEBHOOK_SECRET": "s"}
    assert host.automation("drill", **hook).returncode == 0
    assert [request.path for request in telegram.requests] == [f"/bot{BOT_TOKEN}/sendMessage"]


def test_a_drill_that_is_refused_says_so_and_exits_1(host: Host, telegram: TelegramStandIn) -> None:
    telegram.script(error(403, "Forbidden: bot was kicked from the supergroup chat"))
    done = host.automation("drill", "--json")
    assert done.returncode == 1
    result = json.loads(done.stdout)
    assert (result["status"], result["took_s"]) == ("pending", None), "it waits, and it is said at once why"
    assert "kicked" in result["error"]
    assert BOT_TOKEN not in done.stdout + done.stderr


def test_a_drill_without_credentials_names_what_is_missing(tmp_path: Path) -> None:
    done = Host(tmp_path).automation("drill")
    assert done.returncode == 1
    assert "not delivered, skipped missing credentials" in done.stdout
    assert "TELEGRAM_BOT_TOKEN_DEFAULT" in done.stdout


@pytest.mark.ci
def test_a_drill_that_hangs_ends_at_its_time_limit(host: Host, telegram: TelegramStandIn) -> None:
    telegram.script(HANG)
    done = host.automation("drill", "--timeout", "1s")
    assert done.returncode == 1
    assert "not within 1 s; it is still tried" in done.stdout


def test_a_drill_under_debug_is_not_sent_and_says_so(host: Host, telegram: TelegramStandIn) -> None:
    done = host.automation("drill", LOG_LEVEL="DEBUG")
    assert done.returncode == 1
    assert "skipped debug" in done.stdout
    assert telegram.messages == []


def test_the_shipped_weekly_profile_drills_the_path_through_the_runner(host: Host, telegram: TelegramStandIn) -> None:
    done = host.automation("run", "weekly")
    assert done.returncode == 0, done.stderr
    assert "drill | drill 1: delivered after" in done.stderr
    assert "DRILL" in telegram.messages[0].text
    ((run_id,),) = host.rows("SELECT run_id FROM alert_events WHERE kind = 'drill'")
    assert run_id == 1
