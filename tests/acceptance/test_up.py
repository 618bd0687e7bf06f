"""The whole system in one foreground process tree."""

from __future__ import annotations

import signal
from datetime import datetime
from pathlib import Path

import pytest

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
