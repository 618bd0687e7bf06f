"""The embedded scheduler with real processes on schedules of seconds."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from automation.schedule.scheduler import LATEST_START, TickAction, judge

ROOT = Path(__file__).resolve().parents[2]
TICK = datetime(2026, 11, 23, 10, tzinfo=UTC)
Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "log"
    path.write_text("")
    return path


@pytest.fixture
def start(log: Path) -> Iterator[Start]:
    started: list[subprocess.Popen[bytes]] = []
    stderr = log.with_suffix(".stderr").open("wb")

    def start_one(*profiles: str, stop_limit_s: float = 30) -> subprocess.Popen[bytes]:
        started.append(
            subprocess.Popen(
                [sys.executable, "-m", "tests.support.second_scheduler", str(log), str(stop_limit_s), *profiles],
                cwd=ROOT,
                stderr=stderr,
            )
        )
        return started[-1]

    yield start_one
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait()
    stderr.close()


def lines(log: Path, word: str) -> list[list[str]]:
    return [line.split(maxsplit=4) for line in log.read_text().splitlines() if line.startswith(word + " ")]


def wait_for(log: Path, word: str, count: int) -> list[list[str]]:
    deadline = time.monotonic() + 60
    while len(found := lines(log, word)) < count:
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.02)
    return found


@pytest.mark.parametrize(
    ("late_s", "running", "verdict"),
    [
        (0, False, TickAction.START),
        (LATEST_START.total_seconds(), False, TickAction.START),
        (LATEST_START.total_seconds() + 1, False, TickAction.LATE),
        (0, True, TickAction.BUSY),
        (3600, True, TickAction.LATE),
    ],
)
def test_a_due_tick_is_started_unless_it_is_late_or_its_profile_runs(
    late_s: float, *, running: bool, verdict: TickAction
) -> None:
    assert judge(TICK, TICK + timedelta(seconds=late_s), running=running) is verdict


def test_every_tick_is_served_once_and_each_run_knows_its_tick(start: Start, log: Path) -> None:
    scheduler = start("fast=1:0.1")
    wait_for(log, "end", 3)
    scheduler.send_signal(signal.SIGTERM)
    assert scheduler.wait(60) == 0
    ticks = [datetime.fromisoformat(line[2]) for line in lines(log, "start")]
    served = ticks + [datetime.fromisoformat(line[2]) for line in lines(log, "unserved")]
    assert sorted(served) == [min(served) + timedelta(seconds=n) for n in range(len(served))]
    for line in lines(log, "start"):
        assert float(line[3]) >= datetime.fromisoformat(line[2]).timestamp()


def test_a_running_profile_is_not_started_again_and_the_tick_is_told(start: Start, log: Path) -> None:
    scheduler = start("slow=1:2.5", "fast=1:0.1")
    unserved = [line for line in wait_for(log, "unserved", 2) if line[1] == "slow"]
    assert unserved
    scheduler.send_signal(signal.SIGTERM)
    assert scheduler.wait(60) == 0
    runs = [line for line in lines(log, "start") if line[1] == "slow"]
    assert unserved[0][3] == runs[0][4], "it names the process in the way"
    assert "still running" in unserved[0][4]
    assert [line for line in lines(log, "start") if line[1] == "fast"], "another profile is not held up"
    assert len(lines(log, "end")) == len(lines(log, "start")), "SIGTERM waited for what ran"


def test_a_clock_set_back_by_an_hour_leaves_no_hour_unserved(start: Start, log: Path) -> None:
    scheduler = start("fast=1:0.1")
    before = wait_for(log, "start", 1)
    Path(f"{log}.step-back").touch()
    after = wait_for(log, "start", len(lines(log, "start")) + 3)
    assert datetime.fromisoformat(after[-1][2]) < datetime.fromisoformat(before[0][2])
    assert "the clock was set back by 1 h" in log.with_suffix(".stderr").read_text()
    scheduler.send_signal(signal.SIGTERM)
    assert scheduler.wait(60) == 0


def test_a_clock_a_year_ahead_writes_no_tick_of_that_year_off(start: Start, log: Path) -> None:
    scheduler = start("fast=1:0.1")
    before = wait_for(log, "start", 1)
    Path(f"{log}.step-forward").touch()
    after = wait_for(log, "start", len(lines(log, "start")) + 3)
    assert datetime.fromisoformat(after[-1][2]) - datetime.fromisoformat(before[0][2]) > timedelta(days=364)
    assert "the clock was set forward by 1 year" in log.with_suffix(".stderr").read_text()
    scheduler.send_signal(signal.SIGTERM)
    assert scheduler.wait(60) == 0
    # Those of the last minute are still served or recorded, and those of the seconds this takes on a slow machine.
    assert len(lines(log, "unserved")) < 180


def test_ctrl_c_waits_and_a_second_one_stops_the_run(start: Start, log: Path) -> None:
    scheduler = start("slow=1:60")
    wait_for(log, "start", 1)
    scheduler.send_signal(signal.SIGINT)
    with pytest.raises(subprocess.TimeoutExpired):
        scheduler.wait(0.7)
    scheduler.send_signal(signal.SIGINT)
    assert scheduler.wait(60) == 0
    assert len(lines(log, "term")) == 1
    assert "waiting for slow; Ctrl-C again stops it" in log.with_suffix(".stderr").read_text()


def test_after_its_limit_the_scheduler_stops_what_still_runs(start: Start, log: Path) -> None:
    scheduler = start("slow=1:60", stop_limit_s=0.5)
    wait_for(log, "start", 1)
    scheduler.send_signal(signal.SIGTERM)
    assert scheduler.wait(60) == 0
    assert len(lines(log, "term")) == 1


def test_a_killed_scheduler_does_not_take_its_runs_along(start: Start, log: Path) -> None:
    scheduler = start("slow=1:1.5")
    wait_for(log, "start", 1)
    scheduler.kill()
    scheduler.wait(10)
    wait_for(log, "end", 1)
