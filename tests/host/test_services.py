"""The units on a booted host: when they start, when they refuse to and say why, and what a crash does to them."""

from __future__ import annotations

import json

import pytest

from tests.support.deployed import ENV_FILE, Deployed, Script, jobs
from tests.support.fake_telegram import BOT_TOKEN
from tests.support.host import wait_until

pytestmark = pytest.mark.host
SOUND = jobs({"hourly": 'cron: "5 * * * *"'}, {"hourly": [Script("look", "print('all is well')\n")]})


@pytest.fixture
def served(host: Deployed) -> Deployed:
    """The host with sound jobs, its unit running and its start limit unspent."""
    host.write_env()
    host.land(SOUND)
    host.restart()
    return host


def test_without_its_env_file_it_refuses_to_start_and_the_journal_says_why(host: Deployed) -> None:
    done = host.machine.run("systemctl start monitoring", check=False)
    assert done.returncode != 0
    assert "Failed to load environment files: No such file or directory" in host.journal()
    host.systemctl("stop monitoring")  # it would try four times more


def test_with_a_malformed_jobs_yaml_it_refuses_to_start_and_the_journal_says_where(host: Deployed) -> None:
    host.write_env()
    host.land({"automation/jobs.yaml": "profiles:\n  hourly:\n    cron: '5 * * *'\n    tasks: []\n"})
    assert host.machine.run("systemctl start monitoring", check=False).returncode != 0
    assert "automation/jobs.yaml:3:11 profiles.hourly.cron:" in host.journal()
    host.systemctl("stop monitoring")


def test_it_runs_with_the_crontab_of_jobs_yaml_in_a_private_place(served: Deployed) -> None:
    state = served.state_of()
    assert (state["ActiveState"], state["SubState"]) == ("active", "running")
    its_root = f"/proc/{state['MainPID']}/root"
    crontab = served.machine.said(f"cat {its_root}/tmp/crontab")
    assert crontab == served.automation("render-crontab").stdout.strip()
    assert not served.path("/tmp/crontab").exists()


def test_a_run_of_the_unit_finds_python_secrets_and_state_and_nothing_it_may_write_else(served: Deployed) -> None:
    probe = """
import os, pathlib, sys, tempfile
print(sys.prefix, os.environ["CACHE_DIR"], os.environ["TZ"], sorted(k for k in os.environ if "TELEGRAM" in k))
for place in ("/srv", "/etc", "/usr", "/home", "/srv/cache", "/srv/monitoring", tempfile.gettempdir()):
    print(place, os.access(place, os.W_OK))
"""
    served.land(jobs({"hourly": 'cron: "5 * * * *"'}, {"hourly": [Script("look", probe)]}))
    told = served.once("python -m automation run hourly")
    assert "look | /srv/monitoring/.venv /srv/cache UTC []" in told
    closed = [place for place in ("/srv", "/etc", "/usr", "/home") if f"look | {place} False" in told]
    assert closed == ["/srv", "/etc", "/usr", "/home"]
    assert "look | /srv/cache True" in told
    assert "look | /srv/monitoring True" in told
    assert "/srv/cache/tmp/" in told


def test_the_hosts_own_monitor_reads_everything_in_the_sandbox(served: Deployed) -> None:
    served.write_env(LOG_LEVEL="DEBUG")  # this machine's clock is nobody's concern: nothing is sent
    task = "      - {name: host, monitors: [protocols/host/monitor.yaml]}\n"
    served.land({"automation/jobs.yaml": f"{SOUND['automation/jobs.yaml']}{task}"})
    told = served.once("python -m automation run hourly", check=False)
    assert "according to the kernel" in told, "the clock can be asked about"
    assert ", 0 no data" in told


def test_a_crash_of_supercronic_restarts_it(served: Deployed) -> None:
    before = served.state_of()["MainPID"]
    served.machine.run(f"kill -SEGV {before}")
    wait_until(lambda: served.state_of()["SubState"] == "running" and served.state_of()["MainPID"] != before, "restart")


def test_crash_after_crash_ends_failed_within_the_cap_and_reset_failed_brings_it_back(served: Deployed) -> None:
    served.machine.write(
        "/etc/systemd/system/monitoring.service.d/crash.conf",
        "[Service]\nExecStartPre=\nExecStart=\nExecStart=/bin/false\n",
    )
    mark = served.machine.said("date +%s.%N")
    served.systemctl("daemon-reload")
    served.systemctl("reset-failed monitoring", check=False)
    served.systemctl("restart monitoring", check=False)
    wait_until(lambda: served.state_of()["ActiveState"] == "failed", "the start limit trips", limit_s=60)
    told = served.journal(options=f"--since=@{mark}")
    assert told.count("Starting monitoring.service") == 5
    assert "Start request repeated too quickly" in told
    assert served.machine.run("systemctl start monitoring", check=False).returncode != 0, "it stays failed"

    served.path("/etc/systemd/system/monitoring.service.d/crash.conf").unlink()
    served.systemctl("daemon-reload")
    served.systemctl("reset-failed monitoring")
    served.systemctl("start monitoring")
    assert served.state_of()["SubState"] == "running"


def test_the_limits_of_memory_let_one_task_die_alone(served: Deployed) -> None:
    told = served.systemctl("show --property=OOMPolicy,KillMode,MemoryMax,TimeoutStopUSec,Restart monitoring")
    assert "OOMPolicy=continue" in told
    assert "KillMode=process" in told
    assert "MemoryMax=infinity" not in told
    assert "TimeoutStopUSec=3s" in told


def test_the_api_starts_in_its_sandbox_while_nobody_writes_the_database(served: Deployed) -> None:
    served.systemctl("stop monitoring")
    served.systemctl("start monitoring-api")
    wait_until(lambda: _get(served, "/v1/runs?limit=1") is not None, "the API answers")
    found = _get(served, "/v1/runs?limit=1")
    assert isinstance(found, dict)
    assert found["data"][0]["profile"] == "hourly"


def test_the_api_sees_what_is_written_meanwhile_and_holds_no_secret(served: Deployed) -> None:
    served.systemctl("restart monitoring-api")
    wait_until(lambda: _get(served, "/v1/alerts?limit=1") is not None, "the API answers")
    with served.chat() as telegram:
        served.automation("drill")
        assert telegram.wait_for_messages(1)
    found = _get(served, "/v1/alerts?limit=1")
    assert isinstance(found, dict)
    assert "drill" in json.dumps(found["data"]).lower()
    pid = served.state_of("monitoring-api")["MainPID"]
    assert BOT_TOKEN not in served.machine.said(f"cat /proc/{pid}/environ | tr '\\0' '\\n'")


def test_the_api_does_not_start_without_the_env_file_either(served: Deployed) -> None:
    served.path(ENV_FILE).unlink()
    served.systemctl("restart monitoring-api", check=False)
    wait_until(lambda: "cannot be read" in served.journal("monitoring-api"), "it says why")


def _get(host: Deployed, path: str) -> object:
    done = host.machine.run(f"curl -sf 'http://127.0.0.1:8923{path}'", check=False)
    return json.loads(done.stdout) if done.returncode == 0 else None


def test_it_is_not_started_by_being_installed_but_is_at_every_boot_once_enabled(served: Deployed) -> None:
    assert served.systemctl("is-enabled monitoring", check=False) == "disabled"
    served.systemctl("enable --quiet monitoring")
    served.machine.power_off()
    served.machine.boot()
    assert served.state_of()["SubState"] == "running"
    program = served.machine.said(f"readlink /proc/{served.state_of()['MainPID']}/exe")
    assert program.endswith("/supercronic")
