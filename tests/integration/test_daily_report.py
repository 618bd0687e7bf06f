"""One message a day: what it says, that there is exactly one, and what happens when nothing ran at its hour."""

from __future__ import annotations

import os
import signal
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import apsw
import pytest

from automation.jobs.model import Jobs
from monitoring.store.db.database import Database
from monitoring.store.db.schema import open_database
from monitoring.store.evidence import closed_days
from monitoring.store.tables import runs
from tests.support.days import DAY, NOW, report, reports, watched_host
from tests.support.fake_telegram import BOT_TOKEN, CHAT, TelegramStandIn
from tests.support.host import Host

_WIDEST = 110  # characters of a line: three on a phone


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with watched_host(tmp_path / "monitoring.db") as found:
        yield found


def text(database: Database) -> list[str]:
    found = database.row("SELECT message FROM alert_events WHERE kind = 'daily_report' ORDER BY id DESC LIMIT 1")
    assert found is not None
    return str(found[0]).splitlines()


def test_it_says_what_somebody_wants_to_know_every_morning(database: Database) -> None:
    assert report(database)
    title, *rows, digest = text(database)
    assert title.endswith(": 19 Nov: all 169 runs done")
    assert rows == [
        "Runs: 169 of 169 due",
        "Checks without data: none",
        "Alerts: 32; arrived in 1.1 s, slowest 4.5 s",
        "Acknowledged: 1, after 9 min",
        "Muted: aave util* by ana (0 held back), lido, at most MEDIUM by ben (0 held back)",
        "Paused: task hourly/aave by ben (2 held back)",
        "Revision: 4f2a9c1b7d30",
    ]
    newest = database.read(closed_days.newest)
    assert newest is not None
    assert digest == f"Digest: {newest.digest}"
    assert database.row("SELECT silent, severity FROM alert_events WHERE kind = 'daily_report'") == (1, "LOW")


def test_a_bad_day_fits_a_phone_too(database: Database) -> None:
    with database.write() as tx:
        for hour, why in enumerate(
            ("the host was down (it booted at 2026-11-19 03:28 UTC)", "the scheduler was stopped", "x" * 500)
        ):
            at = datetime(2026, 11, 19, hour, 5, tzinfo=UTC)
            tx.execute(
                "DELETE FROM runs WHERE profile = 'hourly' AND tick_at = ?", (f"{at:%Y-%m-%dT%H:%M:%S}.000000Z",)
            )
            runs.insert_unserved(tx, "hourly", at, "missed", reason=why, held_by=None)
        tx.execute("UPDATE runs SET status = 'failed' WHERE profile = 'hourly' AND tick_at LIKE '2026-11-19T1%'")
        tx.execute(
            "INSERT INTO blind_spells (source, since, until, checks) VALUES ('mainnet', '2026-11-19T03:00:00.000000Z', "
            "'2026-11-19T05:00:00.000000Z', 118)"
        )
        # A day that nobody reported before it.
        tx.execute("UPDATE closed_days SET day = '2026-11-17'")
    assert report(database)
    lines = text(database)
    assert lines[0].endswith(": 18 Nov to 19 Nov: 3 of 273 runs missed, 10 failed")
    assert lines[1] == "No message came for 18 Nov."
    assert "the host was down, the scheduler was stopped, xxx" in lines[2]
    assert "118: mainnet" in lines[3]
    assert len(lines) == 10
    assert max(map(len, (line for line in lines if not line.startswith("Runs")))) <= _WIDEST


def test_it_comes_once_however_many_runs_end_at_that_moment(tmp_path: Path, database: Database) -> None:
    def run(_: int) -> bool:
        with open_database(tmp_path / "monitoring.db") as own:
            return report(own)

    with ThreadPoolExecutor(6) as runs_at_once:
        assert sum(runs_at_once.map(run, range(6))) == 1
    assert len(reports(database)) == 1


def test_a_run_killed_at_any_step_leaves_all_of_it_or_nothing(tmp_path: Path) -> None:
    """The child counts its statements and kills itself at one of them."""
    path = tmp_path / "monitoring.db"
    watched_host(path, days=1).close()
    whole = path.read_bytes()
    killed = set()
    for step in range(1, 400, 31):
        for each in tmp_path.glob("monitoring.db*"):
            each.unlink()
        path.write_bytes(whole)
        child = os.fork()
        if child == 0:
            _report_until(path, step)
        _, status = os.waitpid(child, 0)
        with open_database(path) as database:
            stored = len(reports(database))
            assert stored == len(database.rows("SELECT 1 FROM closed_days WHERE alert_id IS NOT NULL"))
            killed.add((os.WIFSIGNALED(status), stored))
            report(database)
            assert len(reports(database)) == 1
        if not os.WIFSIGNALED(status):
            break
    assert killed >= {(True, 0), (False, 1)}


def _report_until(path: Path, step: int) -> None:
    try:
        with open_database(path) as database:
            left = [step]

            def count(*_: object) -> bool:
                left[0] -= 1
                if left[0] <= 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                return True

            database.connection.exec_trace = count
            report(database)
    except apsw.Error:
        os._exit(3)
    os._exit(0)


def test_the_first_run_of_all_says_nothing_and_the_day_after_it_is_the_first(tmp_path: Path) -> None:
    with open_database(tmp_path / "monitoring.db") as database:
        assert not report(database, NOW)
        assert not report(database, NOW + timedelta(hours=10))
        assert reports(database) == []
        assert report(database, NOW + DAY)
        assert [title for title, _ in reports(database)] == ["20 Nov: nothing was due"]


def test_it_waits_for_its_hour(database: Database) -> None:
    early = NOW.replace(hour=6, minute=59)
    assert not report(database, early, Jobs(profiles={}, daily_report="07:00"))
    assert report(database, early, Jobs(profiles={}, daily_report="06:30"))


def test_a_host_that_was_down_at_that_hour_sends_it_later_and_once(database: Database) -> None:
    late = NOW + timedelta(hours=20)  # the next day, before its own hour
    assert report(database, late)
    assert not report(database, late)
    assert [title for title, _ in reports(database)] == ["19 Nov: all 169 runs done"]
    assert report(database, NOW + DAY)
    assert len(reports(database)) == 2


def test_the_days_of_a_host_that_was_off_are_named_in_one_message(database: Database) -> None:
    report(database)
    assert report(database, NOW + 4 * DAY)
    assert len(reports(database)) == 2
    lines = text(database)
    assert ": 20 Nov to 23 Nov: " in lines[0]
    assert lines[1] == "No message came for 20 Nov to 22 Nov."


def test_a_clock_that_was_ahead_costs_no_later_day_and_one_that_was_behind_repeats_none(database: Database) -> None:
    assert report(database)
    with database.write() as tx:  # what a run by a clock a month ahead would have written
        tx.execute(
            "INSERT INTO closed_days (day, since, version, closed_at, numbers, previous, digest, alert_id) SELECT "
            "'2026-12-20', '2026-12-20', version, '2026-12-21T09:00:00.000000Z', numbers, digest, 'x', alert_id "
            "FROM closed_days ORDER BY id DESC LIMIT 1"
        )
    assert not report(database, NOW - DAY)
    assert not report(database, NOW + timedelta(hours=1))
    assert report(database, NOW + DAY)
    assert not report(database, NOW + DAY)


def test_switched_off_it_is_stored_for_audits_and_not_sent(database: Database) -> None:
    assert report(database, jobs=Jobs(profiles={}, daily_report="off"))
    assert reports(database) == [("19 Nov: all 169 runs done", "not_attempted")]


def test_jobs_yaml_with_mistakes_stops_no_report(database: Database) -> None:
    assert report(database, jobs=None)


@pytest.mark.ci
def test_a_run_sends_it_silently_and_a_test_leaves_it_to_others(tmp_path: Path) -> None:
    with TelegramStandIn() as telegram:
        host = Host(tmp_path)
        host.environ |= {
            "LOG_LEVEL": "INFO", "TELEGRAM_API_URL": telegram.url, "TELEGRAM_BOT_TOKEN_DEFAULT": BOT_TOKEN,
            "TELEGRAM_CHAT_ID_DEFAULT": CHAT,
        }  # fmt: skip
        host.profile({"calm": "print('ok')\n"})
        jobs = host.checkout / "automation" / "jobs.yaml"
        jobs.write_text(f'{jobs.read_text()}\ndaily_report: "00:10"\n')
        host.automation("run", "hourly")
        assert telegram.messages == []
        with closing(sqlite3.connect(host.cache / "monitoring.db")) as connection, connection:
            connection.execute("UPDATE closed_days SET day = date(day, '-2 days'), since = date(since, '-2 days')")
        host.automation("run", "hourly", TELEGRAM_TEST_CHAT_ID="-7")
        host.automation("run", "hourly", LOG_LEVEL="DEBUG")
        assert telegram.messages == []
        for _ in range(2):
            host.automation("run", "hourly")
    assert telegram.messages
    assert all("Digest: " in each.text and each.silent for each in telegram.messages)
    days = [each.text.partition("\n")[0] for each in telegram.messages]
    assert len(days) == len(set(days))
