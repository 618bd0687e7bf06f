"""`backup`, `restore` and `prune` as an operator types them, and as the tasks that the shipped jobs.yaml has."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.host import Host, wait_until

UPKEEP = ("backup", "restore-rehearsal", "prune")
SLEEPER = "import time\nprint('up', flush=True)\ntime.sleep(60)\n"
MARK = """
from utils.monitor import monitor
@monitor("test")
def main(m):
    m.alert("HIGH", "told once", key="told")
main()
"""


@pytest.fixture
def host(tmp_path: Path) -> Host:
    host = Host(tmp_path)
    host.profile({"mark": MARK})
    assert host.automation("run", "hourly").returncode == 1, "its alert waits: no chat is configured"
    return host


def backups(host: Host) -> list[str]:
    return sorted(path.name for path in (host.cache / "backups").glob("*"))


@pytest.mark.ci
def test_a_backup_is_made_named_and_restored(host: Host) -> None:
    made = host.automation("backup")
    assert made.returncode == 0, made.stderr
    [name] = backups(host)
    assert re.fullmatch(r"monitoring-\d{8}T\d{6}Z\.db", name)
    assert f"{host.cache}/backups/{name} (" in made.stdout
    assert ": sound, 1 alert (1 still to be delivered), 1 run, schema " in made.stdout
    assert host.automation("run", "hourly").returncode == 1, "its alert waits: no chat is configured"
    looked = host.automation("restore", name, "--dry-run")
    assert (looked.returncode, host.rows("SELECT count(*) FROM runs")) == (0, [(2,)])
    assert looked.stdout.startswith(f"{host.cache}/backups/{name}: sound, ")
    done = host.automation("restore", name)
    assert done.returncode == 0, done.stderr
    assert f"restored; the replaced database is kept as {host.cache}/monitoring.db.replaced-" in done.stdout
    assert host.rows("SELECT count(*) FROM runs") == [(1,)]
    assert host.automation("run", "hourly").returncode == 1, "its alert waits: no chat is configured"
    told = host.rows("SELECT count(*) FROM alert_events WHERE title = 'told once'")
    assert told == [(1,)], "a condition that the backup knows is not told again"


def test_without_a_file_the_backups_are_named(host: Host) -> None:
    host.automation("backup")
    asked = host.automation("restore")
    assert asked.returncode == 2
    assert f"{host.cache}/backups/{backups(host)[0]} (" in asked.stderr


def test_what_cannot_be_restored_is_exit_2_with_the_reason(host: Host, tmp_path: Path) -> None:
    wrong = tmp_path / "notes.db"
    wrong.write_text("not a database")
    done = host.automation("restore", str(wrong))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.strip().endswith(f"{wrong}: file is not a database; nothing was changed")


def test_a_restore_names_the_run_it_waited_for_in_vain(host: Host) -> None:
    host.automation("backup")
    host.profile({"sleeper": SLEEPER})
    running = host.start("run", "hourly")
    try:
        wait_until(lambda: host.peek("SELECT 1 FROM task_runs WHERE name = 'sleeper'"), "the task has begun")
        done = host.automation("restore", backups(host)[0], "--wait", "1s")
        assert done.returncode == 75
        assert re.search(
            r"still running after 1 s: hourly: run 2 \(pid \d+, since .* UTC, trigger manual\); nothing was",
            done.stderr,
        )
        assert not list(host.cache.glob("*replaced*"))
    finally:
        assert host.automation("stop", "hourly").returncode == 0
        running.communicate(timeout=60)


def test_wrong_numbers_are_exit_2(host: Host) -> None:
    assert host.automation("backup", "--keep", "0").returncode == 2
    assert host.automation("prune", "--older-than", "1h").returncode == 2
    assert host.automation("prune", "--older-than", "soon").returncode == 2


def test_pruning_tells_what_went(host: Host) -> None:
    done = host.automation("prune")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(r"forgotten of before [-\d]+ [:\d]+ UTC: nothing\n", done.stdout)


def test_the_shipped_daily_profile_backs_up_rehearses_and_prunes(tmp_path: Path) -> None:
    host = Host(tmp_path)
    host.keep_tasks(*UPKEEP)
    done = host.automation("run", "daily")
    assert done.returncode == 0, done.stderr
    assert len(backups(host)) == 1
    assert host.rows("SELECT name, status FROM task_runs ORDER BY id") == [(name, "ok") for name in UPKEEP]
    assert "can be restored: 0 alerts" in done.stderr


def test_a_backup_that_fails_is_in_the_digest(tmp_path: Path) -> None:
    host = Host(tmp_path)
    host.keep_tasks(*UPKEEP)
    (host.cache / "backups").write_text("a file in the way")
    assert host.automation("run", "daily").returncode == 1
    [(digest,)] = host.rows("SELECT message FROM alert_events WHERE source = 'automation_digest'")
    assert "backup" in str(digest)
    assert "restore-rehearsal" in str(digest)
    assert "prune" not in str(digest)
