"""The whole system in one foreground process tree."""

from __future__ import annotations

import signal
from datetime import datetime
from pathlib import Path

import pytest

from monitoring.base.locks.chat_reader import holder
from tests.support.fake_telegram import BOT_TOKEN, TelegramStandIn
from tests.support.host import Host, wait_until


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_up_puts_the_schedule_in_force_and_ends_pleasantly_on_ctrl_c(host: Host) -> None:
    host.profile({"good": "print('fine')"}, cron="0 0 1 1 *")
    up = host.start("up")
    wait_until(lambda: host.peek("SELECT 1 FROM scheduler_starts"), "the scheduler is up")
    assert host.rows("SELECT profile, cron, recorded_by FROM schedules") == [("hourly", "0 0 1 1 *", "embedded")]
    up.send_signal(signal.SIGINT)
    output, _ = up.communicate(timeout=60)
    assert up.returncode == 0
    assert "Traceback" not in output


@pytest.mark.ci
def test_up_runs_a_due_profile_for_its_tick(host: Host) -> None:
    host.profile({"good": "print('fine')"}, cron="* * * * *")
    up = host.start("up")
    wait_until(
        lambda: host.peek("SELECT 1 FROM runs WHERE status = 'ok'"),
        "the next minute's run",
        limit_s=100,
    )
    ((tick, trigger, started),) = host.rows("SELECT tick_at, trigger, started_at FROM runs")
    assert trigger == "embedded"
    assert datetime.fromisoformat(str(tick)).second == 0
    assert str(started) >= str(tick)
    up.send_signal(signal.SIGTERM)
    output, _ = up.communicate(timeout=60)
    assert up.returncode == 0, output
    assert "hourly: started for" in output
    assert "hourly: ended with 0" in output


def test_up_refuses_a_broken_file_before_it_starts(host: Host) -> None:
    host.jobs("profiles: {hourly: {cron: '61 * * * *', tasks: []}}")
    done = host.automation("up")
    assert done.returncode == 2
    assert "jobs.yaml:1:" in done.stderr


@pytest.mark.ci
def test_up_reads_the_chat_where_people_have_telegram_and_ends_it_even_when_it_is_killed(host: Host) -> None:
    host.profile({"good": "print('fine')"}, cron="0 0 1 1 *")
    team = "zone: UTC\npeople: {ana: {telegram_id: 111}, ben: {}}\n"
    (host.checkout / "automation" / "on_call.yaml").write_text(team)
    with TelegramStandIn() as telegram:
        bot = {"TELEGRAM_API_URL": telegram.url, "TELEGRAM_BOT_TOKEN_DEFAULT": BOT_TOKEN, "LOG_LEVEL": "INFO"}
        up = host.start("up", "--no-web", **bot)
        telegram.write(111, "/oncall")
        assert telegram.wait_for_messages(1, 120)[0].text.startswith("On call: ana and ben")
        reader = holder(host.cache / "locks")
        assert reader is not None
        up.kill()
        output, _ = up.communicate(timeout=60)
        wait_until(lambda: holder(host.cache / "locks") is None, "the reader ends with its parent", 60)
    assert "reading the chat: ana may act from there" in output


def test_up_without_a_telegram_id_says_that_the_chat_is_not_read(host: Host) -> None:
    host.profile({"good": "print('fine')"}, cron="0 0 1 1 *")
    (host.checkout / "automation" / "on_call.yaml").write_text("zone: UTC\npeople: {ben: {}}\n")
    up = host.start("up", "--no-web", LOG_LEVEL="INFO")
    wait_until(lambda: host.peek("SELECT 1 FROM scheduler_starts"), "the scheduler is up")
    up.send_signal(signal.SIGINT)
    output, _ = up.communicate(timeout=60)
    assert "the chat is not read: nobody in on_call.yaml has a telegram_id" in output
