"""One run of one profile, from the command line to the ledger, with real processes."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest

from tests.support.host import Host, wait_until

HANG = """
import os, sys, time
# A grandchild of its own session, twice forked, that no process group reaches.
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        open({pid_file!r}, "w").write(str(os.getpid()))
        time.sleep(600)
    os._exit(0)
"""
FLOOD = """
import sys
line = b"x" * 99 + b"\\n"
for _ in range(200):
    sys.stdout.buffer.write(line * 10_486)
"""
WRAPPED = """
from utils.monitor import monitor

@monitor("aave")
def main(m):
    raise RuntimeError("the wrapper must not hide this")

if __name__ == "__main__":
    main()
"""
SLOW = """
import os, pathlib, sys, time
pathlib.Path({mark!r}).write_text(str(os.getpid()))
while not pathlib.Path({go!r}).exists():
    time.sleep(0.02)
"""


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


class Gate:
    """A task that says when it runs and ends when it is let go."""

    def __init__(self, directory: Path) -> None:
        self._mark, self._go = directory / "mark", directory / "go"
        self.script = SLOW.format(mark=str(self._mark), go=str(self._go))

    def wait(self) -> int:
        wait_until(lambda: self._mark.exists() and self._mark.read_text(), "the task runs")
        return int(self._mark.read_text())

    def open(self) -> None:
        self._go.write_text("")


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    return Gate(tmp_path)


def gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


def test_every_way_a_task_can_end_is_told_truthfully(host: Host, tmp_path: Path) -> None:
    survivor = tmp_path / "survivor"
    host.profile(
        {
            "good": "print('fine')",
            "three": "import sys; sys.exit(3)",
            "hang": HANG.format(pid_file=str(survivor)) + "time.sleep(600)\n",
            "flood": FLOOD,
            "killed": "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)",
            "syntax": "1 = 2\n",
            "wrapped": WRAPPED,
            "last": "print('still here')",
        },
        task="timeout: 8",
    )
    done = host.automation("run", "hourly")
    assert done.returncode == 1, done.stderr
    rows = host.rows("SELECT name, status, reason, exit_code, signal FROM task_runs ORDER BY id")
    found = {str(row[0]): row[1:] for row in rows}
    assert {name: row[0] for name, row in found.items()} == {
        "good": "ok",
        "three": "failed",
        "hang": "timeout",
        "flood": "ok",
        "killed": "failed",
        "syntax": "failed",
        "wrapped": "failed",
        "last": "ok",
    }
    assert found["three"][1:] == ("exit 3", 3, None)
    assert found["killed"][2:] == (None, signal.SIGSEGV)
    assert found["hang"][1] == "no end after 8 s"
    assert gone(int(survivor.read_text())), "the grandchild is gone with its task"
    digests = host.rows("SELECT message, protocol FROM alert_events WHERE source = 'automation_digest'")
    assert len(digests) == 1
    message, protocol = digests[0]
    assert protocol == "automation"
    for name, row in found.items():
        assert (f"\n{name}:" in str(message)) == (row[0] != "ok"), f"{name} in {message}"
    assert host.rows("SELECT status, exit_code FROM runs") == [("failed", 1)]
    ((peak,),) = host.rows("SELECT max(peak_rss_bytes) FROM task_runs")
    assert isinstance(peak, int)
    assert peak < 100 * 1024 * 1024
    assert len(done.stderr) < 3 * 1024 * 1024, "the log is bounded"
    assert "good | fine" in done.stderr
    assert "the wrapper must not hide this" in done.stderr


def test_a_clean_run_says_nothing_and_exits_0(host: Host) -> None:
    host.profile({"good": "print('fine')"})
    assert host.automation("run", "hourly").returncode == 0
    assert host.rows("SELECT * FROM alert_events") == []


def test_the_same_failures_are_told_once_and_the_first_clean_run_says_so_once(host: Host) -> None:
    host.profile({"bad": "raise SystemExit(1)"})
    host.automation("run", "hourly")
    host.automation("run", "hourly")
    host.profile({"bad": "print('mended')"})
    host.automation("run", "hourly")
    host.automation("run", "hourly")
    told = host.rows("SELECT silent, delivery_status, title FROM alert_events WHERE source = 'automation_digest'")
    assert [row[:2] for row in told] == [
        (0, "skipped_missing_credentials"),
        (1, "not_attempted"),
        (1, "skipped_missing_credentials"),
    ]
    assert "ok again" in str(told[2][2])


def test_of_two_simultaneous_runs_one_runs_and_one_exits_75(host: Host, gate: Gate) -> None:
    host.profile({"slow": gate.script}, cron="* * * * *")
    first = host.start("run", "hourly", AUTOMATION_TRIGGER="cron")
    gate.wait()
    ((tick,),) = host.rows("SELECT tick_at FROM runs")
    shared = host.automation("run", "hourly", AUTOMATION_TRIGGER="embedded", AUTOMATION_TICK=str(tick))
    later = host.automation("run", "hourly", AUTOMATION_TRIGGER="embedded", AUTOMATION_TICK="2031-01-01T00:00:00Z")
    by_hand = host.automation("run", "hourly")
    gate.open()
    output, _ = first.communicate(timeout=60)
    assert first.returncode == 0, output
    assert [shared.returncode, later.returncode, by_hand.returncode] == [75, 75, 75]
    assert "run 1" in by_hand.stderr
    rows = host.rows("SELECT tick_at, status, held_by FROM runs ORDER BY id")
    assert rows == [(tick, "ok", None), ("2031-01-01T00:00:00.000000Z", "skipped", 1)]


def test_a_killed_runner_leaves_no_task_and_the_next_run_closes_its_row(host: Host, gate: Gate) -> None:
    host.profile({"slow": gate.script})
    first = host.start("run", "hourly")
    task = gate.wait()
    first.kill()
    first.communicate(timeout=60)
    wait_until(lambda: gone(task), "the task is gone")
    gate.open()
    assert host.automation("run", "hourly").returncode == 1, "its message waits: no chat is configured"
    assert host.rows("SELECT id, status FROM runs ORDER BY id") == [(1, "aborted"), (2, "ok")]
    told = host.rows("SELECT title, message FROM alert_events")
    assert len(told) == 1
    assert "Run 1 was aborted" in str(told[0][1])


def test_stop_ends_a_run_and_its_row_says_aborted(host: Host, gate: Gate) -> None:
    host.profile({"slow": gate.script, "never": "print('no')"})
    first = host.start("run", "hourly")
    gate.wait()
    stopped = host.automation("stop", "hourly")
    assert stopped.returncode == 0, stopped.stderr
    assert "hourly was stopped" in stopped.stdout
    first.communicate(timeout=60)
    assert first.returncode == 1
    assert host.rows("SELECT status, reason FROM runs") == [("aborted", "stopped by SIGTERM")]
    assert host.rows("SELECT count(*) FROM alert_events") == [(0,)], "who stops a run needs no digest"
    again = host.automation("stop", "hourly")
    assert (again.returncode, again.stdout) == (0, "hourly is not running\n")


def test_a_dry_run_touches_nothing(host: Host) -> None:
    host.profile({"good": "print('fine')"}, task="args: {cache-file: 007}, env: {A: x}")
    done = host.automation("run", "hourly", "--dry-run")
    assert done.returncode == 0
    assert "1. good: python protocols/test/good.py --cache-file=007" in done.stdout
    assert "environment: A" in done.stdout
    assert list(host.cache.iterdir()) == []


def test_a_disabled_profile_says_so_and_exits_0(host: Host) -> None:
    host.profile({"good": "print('fine')"}, options="enabled: false")
    done = host.automation("run", "hourly")
    assert done.returncode == 0
    assert "disabled" in done.stderr
    assert "fine" not in done.stderr


def test_an_unknown_profile_names_the_known_ones(host: Host) -> None:
    host.profile({"good": "print('fine')"})
    done = host.automation("run", "hurly")
    assert done.returncode == 2
    assert "hourly" in done.stderr


BROKEN = """
profiles:
  hourly:
    cron: "5 * * * *"
    tasks: [{name: good, script: protocols/test/good.py}]
  daily:
    cron: "61 8 * * *"
    tasks: []
"""


def test_a_profile_broken_in_one_place_does_not_stop_another_and_is_told_once(host: Host) -> None:
    host.script("good", "print('fine')")
    host.jobs(BROKEN)
    assert host.automation("run", "hourly").returncode == 0
    for _ in range(2):
        broken = host.automation("run", "daily")
        assert broken.returncode == 2
        assert "jobs.yaml:7:" in broken.stderr
    assert host.rows("SELECT profile, status, exit_code FROM runs") == [
        ("hourly", "ok", 0),
        ("daily", "failed", 2),
        ("daily", "failed", 2),
    ]
    assert host.rows("SELECT title FROM alert_events") == [("daily cannot run: jobs.yaml has mistakes",)]
    assert host.automation("render-crontab").returncode == 2


def test_tasks_see_no_secret_of_delivery_and_what_they_need(host: Host) -> None:
    host.profile(
        {"look": "import os\nfor name in sorted(os.environ): print(name, os.environ[name])"},
        options="env: {CACHE_FILENAME: mine.txt}\nheartbeat_env: PING_HOURLY",
    )
    done = host.automation(
        "run",
        "hourly",
        TELEGRAM_BOT_TOKEN_DEFAULT="123456:hush-hush-hush-hush-hush-hush-hush-hush",
        WEBHOOK_SECRET="hook-hush",
        NOTIFY_URLS_AAVE="json://x",
        PING_HOURLY="http://127.0.0.1:9/ping-hush",
        PROVIDER_URL_MAINNET="http://127.0.0.1:9",
    )
    lines = [line.removeprefix("look | ") for line in done.stderr.splitlines() if line.startswith("look | ")]
    seen = {name: value for name, _, value in (line.partition(" ") for line in lines)}
    assert not [name for name in seen if name.startswith(("TELEGRAM_", "WEBHOOK_", "NOTIFY_", "PING_"))]
    assert seen["CACHE_FILENAME"] == "mine.txt"
    assert seen["CACHE_DIR"] == str(host.cache)
    assert seen["AUTOMATION_RUN_ID"] == "1"
    assert seen["TMPDIR"].startswith(str(host.cache / "tmp"))
    assert not Path(seen["TMPDIR"]).exists(), "it goes with the run"
    assert "hush" not in done.stderr


def test_a_run_outlives_the_scheduler_that_read_its_output(host: Host, gate: Gate) -> None:
    host.profile({"slow": gate.script + "print('after')\nimport tempfile\ntempfile.TemporaryFile()\n"})
    run = host.start("run", "hourly")
    gate.wait()
    assert run.stdout is not None
    run.stdout.close()
    gate.open()
    assert run.wait(60) == 0
    assert host.rows("SELECT status FROM task_runs") == [("ok",)]


def test_checks_run_even_when_nothing_can_be_stored(host: Host, tmp_path: Path) -> None:
    proof = tmp_path / "proof"
    host.profile({"good": f"open({str(proof)!r}, 'a').write('ran ')"})
    host.cache.rmdir()
    host.cache.write_text("a file where the state directory should be")
    done = host.automation("run", "hourly", TMPDIR=str(tmp_path))
    assert done.returncode == 1
    assert proof.read_text() == "ran "
    assert "the ledger cannot be written" in done.stderr


def test_a_damaged_database_stops_no_check_and_is_told(host: Host) -> None:
    host.profile({"good": "print('fine')"})
    (host.cache / "monitoring.db").write_bytes(b"no database at all" * 1000)
    done = host.automation("run", "hourly")
    assert done.returncode == 1, "its message waits: no chat is configured"
    assert host.rows("SELECT status FROM runs") == [("ok",)]
    assert "set aside" in str(host.rows("SELECT title FROM alert_events")[0][0])
    assert [path for path in host.cache.iterdir() if ".damaged-" in path.name]


def test_tasks_run_in_parallel_and_needs_are_respected(host: Host) -> None:
    scripts = {f"t{number:02d}": "import time; time.sleep(0.2)" for number in range(28)}
    host.profile(scripts, options="parallel: 28")
    jobs = host.checkout / "automation" / "jobs.yaml"
    host.jobs(jobs.read_text().replace("t00.py}", "t00.py, needs: [t27]}"))
    done = host.automation("run", "hourly")
    assert done.returncode == 0, done.stderr
    ((started, needed),) = host.rows(
        "SELECT a.started_at, b.ended_at FROM task_runs a, task_runs b WHERE a.name = 't00' AND b.name = 't27'"
    )
    assert str(started) >= str(needed)
    ((at_once,),) = host.rows(
        "SELECT max((SELECT count(*) FROM task_runs b WHERE b.started_at <= a.started_at "
        "AND b.ended_at > a.started_at)) FROM task_runs a"
    )
    assert isinstance(at_once, int)
    assert at_once > 5


def test_tasks_find_loaded_what_all_of_them_need_and_not_what_reads_their_own_environment(host: Host) -> None:
    names = ("utils.monitor", "monitoring.chains.rpc.views", "monitoring.checks.commands", "utils.cache")
    looks = f"import sys  # utils.monitor\nprint([name for name in {names} if name in sys.modules])"
    host.profile({"first": looks, "second": looks})
    done = host.automation("run", "hourly")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count(str(["utils.monitor", "monitoring.chains.rpc.views"])) == 2


def test_a_survivor_holds_neither_the_lock_nor_the_log(host: Host, tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    host.profile({"daemon": HANG.format(pid_file=str(pid_file))})
    lock = tmp_path / "crontab.lock"
    command = ["flock", "-n", str(lock), *host.command("run", "hourly")]
    done = subprocess.run(
        command, cwd=host.checkout, env=host.environ, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert subprocess.run(["flock", "-n", str(lock), "true"], check=False).returncode == 0
    assert host.automation("run", "hourly").returncode == 0
    if pid := pid_file.read_text() if pid_file.exists() else "":  # it may have been ended before it wrote it
        assert gone(int(pid))


def test_no_token_stands_in_the_environment_of_the_fork_server(host: Host, gate: Gate) -> None:
    host.profile({"slow": gate.script})
    run = host.start("run", "hourly", TELEGRAM_BOT_TOKEN_DEFAULT="123456:hush-hush-hush-hush-hush-hush-hush-hush")
    task = gate.wait()
    parent = int(Path(f"/proc/{task}/stat").read_text().rpartition(")")[2].split()[1])
    assert parent != run.pid
    for pid in (parent, task):
        assert b"hush" not in Path(f"/proc/{pid}/environ").read_bytes()
    gate.open()
    run.communicate(timeout=60)
    assert run.returncode == 0
