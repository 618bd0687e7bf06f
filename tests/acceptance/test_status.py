"""One screen for whoever just logged in: true also when the host is in a bad way."""

from __future__ import annotations

import json
import os
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from automation.schedule.scheduler_liveness import RESTART, look
from monitoring.base.clock import SystemClock
from monitoring.base.locks.profile_lock import SingleLock
from monitoring.base.settings import Settings
from monitoring.store.db.schema import open_database
from monitoring.store.tables import chain_memory, runs, schedules
from monitoring.store.tables.schedules import Schedule
from tests.support.host import Host, wait_until

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
GATE = """
import pathlib, time
pathlib.Path({mark!r}).write_text("here")
while not pathlib.Path({go!r}).exists():
    time.sleep(0.02)
"""
RAISES = """
from utils.monitor import monitor

@monitor("aave")
def main(m):
    m.alert("HIGH", "it is 99%", key="utilisation")

main()
"""


@pytest.fixture
def host(tmp_path: Path) -> Host:
    made = Host(tmp_path)
    made.profile({"good": "print('fine')"}, cron="0 0 1 1 *")
    return made


def status(host: Host, **environ: str) -> dict[str, Any]:
    done = host.automation("status", "--json", **environ)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_host_where_nothing_has_run_says_so_and_exits_0(host: Host) -> None:
    shown = host.automation("status")
    assert shown.returncode == 0, shown.stderr
    assert "monitoring.db does not exist: no profile has run" in shown.stdout
    assert "NOT RUNNING: no scheduler process found (has started no run)" in shown.stdout
    assert f"{host.cache}, no env file loaded" in shown.stdout
    assert not host.cache.joinpath("monitoring.db").exists(), "looking makes nothing"


def test_the_scheduler_is_found_by_its_process_and_missed_when_it_is_killed(host: Host) -> None:
    up = host.start("up")
    wait_until(lambda: host.peek("SELECT 1 FROM scheduler_starts"), "the scheduler is up")
    try:
        alive = status(host)["scheduler"]
        assert (alive["alive"], alive["kind"], alive["pid"]) == (True, "up", up.pid)
        second = host.automation("up")
        assert second.returncode == 75
        assert f"pid {up.pid}" in second.stderr
    finally:
        up.send_signal(signal.SIGKILL)
        up.communicate(timeout=60)
    dead = status(host)["scheduler"]
    assert (dead["alive"], dead["pid"]) == (False, None)


def test_a_scheduler_that_is_there_but_serves_nothing_is_not_alive(tmp_path: Path) -> None:
    settings = Settings(environ={}, checkout=tmp_path, cache_dir=tmp_path)
    began = SystemClock().now()
    lock = SingleLock(settings.locks, "scheduler")
    lock.take_or_refuse()
    with open_database(settings.database) as database:
        with database.write() as tx:
            schedules.record_in_force(tx, [Schedule("hourly", "* * * * *")], began - timedelta(hours=1), "test")
        early, late = (look(settings, database, began + timedelta(minutes=minutes)) for minutes in (1, 10))
        tick = late.unserved[0][1]
        with database.write() as tx:
            runs.begin(
                tx, "hourly", tick_at=tick, trigger="cron", now=tick, process="1:2:x", revision="", tasks_total=0
            )
        served = look(settings, database, began + timedelta(minutes=10))
    lock.release()
    assert early.is_alive, "what was missed before it began is not held against it"
    assert not late.is_alive
    assert f"NOT SERVING: up (pid {os.getpid()}" in str(late)
    assert served.is_alive
    assert f"last started hourly at {tick:%Y-%m-%d %H:%M}" in str(served)


def test_a_running_profile_is_shown_with_its_run_and_since_when(host: Host, tmp_path: Path) -> None:
    mark, go = tmp_path / "mark", tmp_path / "go"
    host.profile({"slow": GATE.format(mark=str(mark), go=str(go))}, cron="0 0 1 1 *")
    run = host.start("run", "hourly")
    wait_until(mark.exists, "the task runs")
    (profile,) = status(host)["profiles"]
    assert (profile["running"]["pid"], profile["running"]["run_id"], profile["last"]["status"]) == (
        run.pid,
        1,
        "running",
    )
    assert "running for" in host.automation("status").stdout
    go.write_text("")
    run.communicate(timeout=60)
    (profile,) = status(host)["profiles"]
    assert (profile["running"], profile["last"]["status"]) == (None, "ok")


def test_what_fires_while_it_is_silenced_says_so(host: Host) -> None:
    host.profile({"raises": RAISES})
    host.automation("run", "hourly")
    assert ", silenced: aave: utilisation" not in host.automation("status").stdout
    host.automation("silence", "--protocol", "aave", "--key", "utilisation", "--for", "2h", "--reason", "upgrade")
    assert ", silenced: aave: utilisation: it is 99%" in host.automation("status").stdout


def test_what_fires_waits_and_is_silent_is_shown_with_the_reason(host: Host) -> None:
    host.profile({"raises": RAISES})
    host.automation("run", "hourly")
    host.automation("silence", "--protocol", "lido", "--for", "2h", "--reason", "upgrade")
    found = status(host)
    assert [(each["key"], each["severity"]) for each in found["firing"]] == [("aave: utilisation", "HIGH")]
    (waiting,) = found["undelivered"]
    assert (waiting["channel"], waiting["status"], waiting["count"]) == ("AAVE", "skipped_missing_credentials", 1)
    assert "TELEGRAM_CHAT_ID_DEFAULT" in waiting["why"]
    (silence,) = found["silences"]
    assert (silence["protocol"], silence["reason"], silence["held_back"]) == ("lido", "upgrade", 0)
    shown = host.automation("status").stdout
    for text in (
        "HIGH for",
        "aave: utilisation: it is 99%",
        "1 to telegram of AAVE",
        "lido until",
        ": upgrade)",
    ):
        assert text in shown


def test_a_changed_schedule_and_another_lock_are_told_as_inert(host: Host) -> None:
    with open_database(host.cache / "monitoring.db") as database, database.write() as tx:
        told = [Schedule("hourly", "7 * * * *"), Schedule("gone", "8 * * * *")]
        schedules.record_in_force(tx, told, datetime.now(UTC), "cron")
    lock = host.checkout / "requirements.lock"
    lock.write_text(lock.read_text().replace("apsw==", "apsw==99."))
    found = status(host)["waiting"]
    assert found[:2] == [
        f"profile gone: removed from jobs.yaml, served until a restart: {RESTART}",
        f"profile hourly: cron is 0 0 1 1 * in jobs.yaml, but still 7 * * * * in the scheduler: {RESTART}",
    ]
    assert "apsw is 3." in found[2]
    assert "run `make sync`" in found[2]


def test_test_mode_debug_and_a_broken_file_are_warned_of(host: Host) -> None:
    host.jobs("profiles: {hourly: {cron: '61 * * * *', tasks: []}}")
    warnings = " / ".join(status(host, LOG_LEVEL="DEBUG", TELEGRAM_TEST_CHAT_ID="-1")["warnings"])
    for text in ("LOG_LEVEL=DEBUG", "TELEGRAM_TEST_CHAT_ID is set", "jobs.yaml has mistakes: ", "minute '61'"):
        assert text in warnings


def test_a_damaged_database_is_told_and_nothing_else_breaks(host: Host) -> None:
    (host.cache / "monitoring.db").write_bytes(b"no database at all" * 1000)
    shown = host.automation("status")
    assert shown.returncode == 0, shown.stderr
    assert "WARNING: the database cannot be read" in shown.stdout
    assert "PROFILE" in shown.stdout


MAPLE = ("claimed", "pools", "collateral", "proven", "ratio")


def test_a_source_whose_answer_was_written_by_hand_is_named_until_a_live_one_was_parsed(host: Host) -> None:
    task = "{name: acme, monitors: [protocols/ethena/monitor.yaml, protocols/maple/disclosure.yaml]}"
    off = "{name: off, enabled: false, monitors: [protocols/infinifi/monitor.yaml]}"
    host.jobs(f"profiles: {{daily: {{cron: '0 0 1 1 *', tasks: [{task}, {off}]}}}}")

    found = [(each["monitor"], each["source"]) for each in status(host)["unconfirmed"]]
    ethena = [("ethena", "collateral"), ("ethena", "reserve"), ("ethena", "supply")]
    assert found == [*ethena, *(("maple-disclosure", name) for name in MAPLE)]
    text = host.automation("status").stdout
    assert "unconfirmed 2\n  ethena: no live answer has been read yet of collateral, reserve, supply\n" in text

    with open_database(host.cache / "monitoring.db") as database, database.write() as tx:
        kept = {name: {"of": "1", "shape": "number"} for name in MAPLE}
        chain_memory.put(tx, chain_memory.SHAPE, "maple-disclosure", json.dumps(kept), NOW)
        chain_memory.put(tx, chain_memory.SHAPE, "ethena", json.dumps({"reserve": {"of": "1"}}), NOW)
    assert [(each["monitor"], each["source"]) for each in status(host)["unconfirmed"]] == ethena
