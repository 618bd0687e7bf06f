"""G.5: what the old runbook says of a hung run and of the text caches is not true any more.

"A restart clears a hung run": it does not; `status` and the message of exit 75 name `stop`. `CACHE_BACKEND=file` set
and the scheduler restarted went back to values as old as the migration, and nothing said that it is in force: the
values move along at the start, both ways, and `status` and `doctor` say so.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from automation.status.collect import ProfileState
from automation.status.render import _now
from monitoring.base.clock import from_text
from monitoring.base.locks.profile_lock import Holder
from tests.support.host import Host, wait_until

pytestmark = pytest.mark.case("G.5")
HANG = "import time\nprint('begun', flush=True)\ntime.sleep(600)\n"


@pytest.fixture
def host(tmp_path: Path) -> Host:
    made = Host(tmp_path)
    made.profile({"show": "print('fine')"}, cron="0 0 1 1 *")
    return made


def test_a_second_run_is_refused_with_what_ends_the_first(host: Host) -> None:
    host.profile({"hang": HANG}, cron="0 0 1 1 *")
    first = host.start("run", "hourly")
    try:
        wait_until(lambda: host.peek("SELECT 1 FROM runs WHERE status = 'running'"), "it runs")
        refused = host.automation("run", "hourly")
        assert refused.returncode == 75
        assert "hourly is already running: run 1" in refused.stderr
        assert "type: python -m automation stop hourly" in refused.stderr
        stopped = host.automation("stop", "hourly")
        assert stopped.returncode == 0, stopped.stderr
    finally:
        first.communicate(timeout=60)
    assert host.rows("SELECT status FROM runs") == [("aborted",), ("skipped",)][: len(host.rows("SELECT 1 FROM runs"))]


def test_status_names_stop_for_a_run_that_takes_long() -> None:
    began = from_text("2026-11-24T05:05:00Z")
    state = ProfileState(
        "hourly", "", enabled=True, next_tick=None, last=None, running=Holder(7, None, 3, began, "cron")
    )
    assert "stop" not in _now(state, from_text("2026-11-24T05:10:00Z"))
    assert _now(state, from_text("2026-11-24T06:05:00Z")).endswith("; stop it with: python -m automation stop hourly")


# -- the text caches ---------------------------------------------------------------------------------------------------


def cache(host: Host, *words: str, **environ: str) -> str:
    """Ask `utils.cache` as a script would."""
    call = f"from utils import cache; print(cache.{words[0]}{words[1:]!r})".replace(",)", ")")
    done = subprocess.run(
        [sys.executable, "-c", call], cwd=host.checkout, env={**host.environ, **environ}, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def start(host: Host, **environ: str) -> str:
    """Do what the unit does at its start."""
    done = host.automation("render-crontab", "--activate", str(host.cache.parent / "crontab"), **environ)
    assert done.returncode == 0, done.stderr
    return done.stderr


FILE = {"CACHE_BACKEND": "file"}


def aged(path: Path) -> Path:
    os.utime(path, (1_700_000_000, 1_700_000_000))
    return path


def test_the_switch_to_files_and_back_takes_the_values_along(host: Host) -> None:
    old = host.cache / "cache-id.txt"
    old.write_text("queue:1\n")
    aged(old)
    start(host)
    cache(host, "set", "cache-id.txt", "queue", "2")
    assert "carried over, to the text files" in start(host, **FILE)
    assert cache(host, "get", "cache-id.txt", "queue", **FILE) == "2"
    cache(host, "set", "cache-id.txt", "queue", "3", **FILE)
    assert "carried over" not in start(host, **FILE), "a restart moves nothing"
    assert cache(host, "get", "cache-id.txt", "queue", **FILE) == "3"
    assert "carried over, to the database" in start(host)
    assert cache(host, "get", "cache-id.txt", "queue") == "3"


def test_text_files_that_are_newer_than_the_database_are_left_alone(host: Host) -> None:
    """A host that comes with CACHE_BACKEND=file in its env file: its text files are the truth, not an old database."""
    start(host)
    cache(host, "set", "cache-id.txt", "queue", "1")
    newer = host.cache / "cache-id.txt"
    newer.write_text("queue:9\n")
    os.utime(newer, (4_000_000_000, 4_000_000_000))
    start(host, **FILE)
    assert cache(host, "get", "cache-id.txt", "queue", **FILE) == "9"


def test_up_takes_them_along_as_well(host: Host) -> None:
    start(host)
    cache(host, "set", "cache-id.txt", "queue", "2")
    up = host.start("up", "--no-web", **FILE)
    try:
        wait_until((host.cache / "cache-backend").exists, "it has started")
        assert cache(host, "get", "cache-id.txt", "queue", **FILE) == "2"
    finally:
        up.terminate()
        up.communicate(timeout=60)


@pytest.mark.parametrize("verb", ["status", "doctor"])
def test_the_text_files_in_force_are_said(host: Host, verb: str) -> None:
    start(host, **FILE)
    told = host.automation(verb, **FILE).stdout
    assert f"CACHE_BACKEND=file: monitors keep their values in the text files of {host.cache}" in told
    assert "CACHE_BACKEND" not in host.automation(verb).stdout


def test_an_export_that_failed_does_not_stop_the_scheduler_and_is_said_loudly(host: Host) -> None:
    start(host)
    cache(host, "set", "cache-id.txt", "queue", "2")
    (host.cache / "cache-id.txt").mkdir()  # nothing can be written there
    aged(host.cache / "cache-id.txt")
    assert "could not be carried over" in start(host, **FILE)
    (told,) = [
        each for each in json.loads(host.automation("doctor", "--json", **FILE).stdout) if each["subject"] == "cache"
    ]
    assert "THEY ARE AS OLD AS THEIR LAST EXPORT" in told["text"]
