"""A pause of a profile, a task or checks: what runs meanwhile, what is recorded and announced, and how it ends."""

from __future__ import annotations

import sqlite3
import subprocess
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support.host import Host

pytestmark = pytest.mark.ci

RAISES = """
from utils.monitor import HIGH, monitor

@monitor("acme")
def main(m):
    m.alert(HIGH, "the vault is empty", key="vault")

if __name__ == "__main__":
    main()
"""
BAD, GOOD = "monitor: box\nhost: {database: 1B}\n", "monitor: box\nhost: {database: 1TiB}\n"
WHY = ("--for", "2h", "--reason", "provider moves")


@pytest.fixture
def host(tmp_path: Path) -> Host:
    made = Host(tmp_path)
    made.environ |= {"LOG_LEVEL": "INFO", "AUTOMATION_TRIGGER": "cron"}
    script = made.script("vault", RAISES)
    box = made.checkout / "protocols" / "box"
    box.mkdir(exist_ok=True)
    (box / "monitor.yaml").write_text(GOOD)
    made.jobs(
        "profiles:\n  hourly:\n    cron: '0 0 1 1 *'\n    tasks:\n"
        f"      - {{name: vault, script: {script}}}\n"
        f"      - {{name: after, script: {script}, needs: [vault]}}\n"
        "      - {name: box, monitors: [protocols/box/monitor.yaml]}\n"
    )
    return made


def tick(host: Host, number: int) -> subprocess.CompletedProcess[str]:
    """Run the profile as `up` does, for the tick that is so many minutes after the first."""
    at = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=30 - number)
    return host.automation("run", "hourly", AUTOMATION_TRIGGER="embedded", AUTOMATION_TICK=at.isoformat())


def age_pauses(host: Host) -> None:
    """Let the time of every pause be up."""
    past = f"{datetime.now(UTC) - timedelta(seconds=1):%Y-%m-%dT%H:%M:%S.%fZ}"
    with closing(sqlite3.connect(host.cache / "monitoring.db")) as connection, connection:
        connection.execute("UPDATE pauses SET ends_at = ?", (past,))


def titles(host: Host) -> list[str]:
    return [str(title) for [title] in host.rows("SELECT title FROM alert_events ORDER BY id")]


def test_ticks_of_a_paused_profile_are_rows_with_who_and_why_and_the_end_is_announced(host: Host) -> None:
    tick(host, 1)
    paused = host.automation("pause", "--profile", "hourly", *WHY)
    assert paused.returncode == 0, paused.stderr
    [[who]] = host.rows("SELECT created_by FROM pauses")
    assert titles(host)[-1] == f"{who} paused profile hourly"
    done = tick(host, 2)
    assert "nothing is run" in done.stderr
    rows = host.rows("SELECT status, reason FROM runs WHERE reason LIKE 'paused%'")
    assert [(status, str(reason).partition(" until ")[0]) for status, reason in rows] == [
        ("skipped", f"paused by {who}")
    ]
    assert host.rows("SELECT held_back FROM pauses") == [(1,)]
    assert f"profile hourly paused by {who} until" in " ".join(host.automation("status").stdout.split())
    age_pauses(host)
    tick(host, 4)
    assert "profile hourly is no longer paused: its time is up" in titles(host)
    tick(host, 6)
    assert titles(host).count("profile hourly is no longer paused: its time is up") == 1


def test_a_paused_profile_runs_when_somebody_starts_it(host: Host) -> None:
    host.automation("pause", "--profile", "hourly", *WHY)
    host.environ.pop("AUTOMATION_TRIGGER")
    host.automation("run", "hourly")
    assert "the vault is empty" in titles(host)


def test_a_paused_task_is_not_started_nor_what_needs_it_and_the_others_run(host: Host) -> None:
    host.automation("pause", "--task", "hourly/vault", *WHY)
    host.automation("run", "hourly")
    rows = dict(host.rows("SELECT name, status || ': ' || reason FROM task_runs"))
    assert str(rows["vault"]).startswith("skipped: paused by ")
    assert rows["after"] == "skipped: needs 'vault', which is paused"
    assert str(rows["box"]).startswith("ok")
    assert host.rows("SELECT held_back FROM pauses") == [(1,)]
    resumed = host.automation("resume", "1")
    assert resumed.returncode == 0
    assert any(title.startswith("task hourly/vault is no longer paused: ended by ") for title in titles(host))
    host.automation("run", "hourly")
    assert "the vault is empty" in titles(host)


def test_a_paused_check_is_not_judged_until_it_goes_on(host: Host) -> None:
    host.automation("run", "hourly")
    assert host.automation("pause", "--check", "box/database*", *WHY).returncode == 0
    (host.checkout / "protocols/box/monitor.yaml").write_text(BAD)
    host.automation("run", "hourly")
    state = "SELECT state FROM conditions WHERE monitor = 'box' AND check_name LIKE 'database%'"
    assert host.rows(state) == [("ok",)]
    assert int(str(host.rows("SELECT held_back FROM pauses")[0][0])) >= 1
    host.automation("resume", "1")
    host.automation("run", "hourly")
    assert host.rows(state) != [("ok",)]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--profile", "hourly", "--for", "2h"], "needs --reason"),
        (["--profile", "hourly", "--reason", "x"], "always ends"),
        (["--profile", "hourly", "--for", "8d", "--reason", "x"], "within 7 days"),
        (["--profile", "hurly", *WHY], "did you mean hourly?"),
        (["--task", "hourly/valt", *WHY], "did you mean hourly/vault?"),
        (["--check", "bax/database", *WHY], "no monitor is called bax"),
        (["--profile", "hourly", "--task", "hourly/vault", *WHY], "one of them"),
        ([*WHY], "say what to pause"),
    ],
)
def test_a_pause_that_cannot_be_is_refused_with_what_to_write(host: Host, arguments: list[str], words: str) -> None:
    refused = host.automation("pause", *arguments)
    assert refused.returncode == 2
    assert words in refused.stderr


def test_what_a_script_raises_is_no_check_and_a_pause_of_it_would_stop_nothing(host: Host) -> None:
    host.automation("run", "hourly")
    for pattern in ("acme/vault", "acme/*"):
        refused = host.automation("pause", "--check", pattern, *WHY)
        assert refused.returncode == 2
        assert "is raised by a script: pause its task, or silence it" in refused.stderr


def test_a_number_that_is_no_pause_ends_nothing(host: Host) -> None:
    host.automation("run", "hourly")
    assert host.automation("resume", "7").returncode == 1
