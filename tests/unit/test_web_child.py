"""The dashboard as a child of `up`: started again with a growing pause, ended for good, and told no secret."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from automation.schedule.tended_child import TendedChild
from automation.schedule.web_child import web_environment
from monitoring.base.settings import Settings
from tests.support.tasks import wait_until

ENVIRON = {"PATH": os.environ["PATH"]}


class Time:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def child(directory: Path, code: str, time: Time) -> TendedChild:
    script = f"open({str(directory / 'starts')!r}, 'a').write('x')\n{code}"
    return TendedChild("the dashboard", ENVIRON, (sys.executable, "-c", script), time)


def starts(directory: Path) -> int:
    try:
        return len((directory / "starts").read_text())
    except FileNotFoundError:
        return 0


def died(tended: TendedChild) -> bool:
    return tended._process is not None and tended._process.poll() is not None


def test_one_that_dies_at_once_is_started_again_after_a_growing_pause(tmp_path: Path) -> None:
    time = Time()
    tended = child(tmp_path, "raise SystemExit(3)", time)
    for expected, pause_s in ((1, 1), (2, 2), (3, 4)):
        tended.tend()
        assert wait_until(lambda: died(tended))
        assert starts(tmp_path) == expected
        tended.tend()
        time.now += pause_s - 0.1
        tended.tend()
        assert starts(tmp_path) == expected, "not before its pause is over"
        time.now += 0.2
    tended.end()


def test_one_that_lived_for_long_comes_back_after_a_second(tmp_path: Path) -> None:
    time = Time()
    tended = child(tmp_path, "", time)
    tended.tend()
    assert wait_until(lambda: died(tended))
    time.now += 3600
    tended.tend()
    time.now += 1.1
    tended.tend()
    assert wait_until(lambda: starts(tmp_path) == 2)
    tended.end()


def test_the_end_is_an_end_even_for_one_that_is_well(tmp_path: Path) -> None:
    tended = child(tmp_path, "import time\ntime.sleep(600)", Time())
    tended.tend()
    process = tended._process
    assert process is not None
    tended.end()
    assert process.poll() is not None


def test_a_command_that_cannot_be_started_harms_nobody(tmp_path: Path) -> None:
    tended = TendedChild("the dashboard", ENVIRON, (str(tmp_path / "nothing"),), Time())
    tended.tend()
    tended.end()


def test_it_is_told_where_the_state_lies_and_no_secret(tmp_path: Path) -> None:
    environ = {
        "TELEGRAM_BOT_TOKEN_DEFAULT": "1:secret", "PROVIDER_URL_MAINNET": "https://rpc.example/k", "LOG_LEVEL": "INFO",
        "WEBHOOK_SECRET": "s", "MONITORING_API_PORT": "9000", "LLM_API_KEY": "k", "MONITORING_ENV_FILE": "/x",
    }  # fmt: skip
    told = web_environment(Settings(environ, tmp_path, tmp_path / "cache"))
    assert told["CACHE_DIR"] == str(tmp_path / "cache")
    assert told["MONITORING_API_PORT"] == "9000"
    assert told["MONITORING_ENV_FILE"] == ""
    assert not {name for name in told if "TOKEN" in name or "SECRET" in name or "PROVIDER" in name or "LLM" in name}
