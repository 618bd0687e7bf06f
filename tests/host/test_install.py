"""`deploy/install.sh` from a local clone on a booted Debian; `deploy/uninstall.sh` takes it away again."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from tests.host.conftest import Installation
from tests.support.deployed import CACHE, CHECKOUT, INSTALL, USER, Deployed, Script, jobs
from tests.support.host import wait_until

pytestmark = pytest.mark.host


def test_it_ends_with_what_is_left_to_do_by_hand(installation: Installation) -> None:
    told = installation.first
    for words in (
        f"user {USER} created",
        "/etc/systemd/system/monitoring.service written",
        "sudo install -m 0640 -o root -g monitoring /srv/monitoring/.env.example /etc/monitoring/.env",
        "sudo systemctl enable --now monitoring",
        "/usr/local/bin/monitoring written",
        "/usr/local/bin/uv written",
        "/etc/sudoers.d/monitoring written",
        "sudo monitoring doctor",
    ):
        assert words in told


def test_a_second_run_changes_nothing(installation: Installation) -> None:
    assert len(installation.before_second) > 1000
    assert installation.after_second == installation.before_second
    assert "written" not in installation.second
    assert "created" not in installation.second


def test_the_checkout_is_the_users_follows_origin_and_runs_from_the_lock(host: Deployed) -> None:
    assert host.shell("git config monitoring.sync").stdout.strip() == "true"
    assert host.shell("git remote get-url origin").stdout.strip() == "git://127.0.0.1/monitoring.git"
    assert host.shell("git status --porcelain").stdout == ""
    assert not host.machine.said(f"find {CHECKOUT} {CACHE} ! -user {USER}")
    assert "hourly" in host.automation("list").stdout


def test_state_and_secrets_are_closed_to_others(host: Deployed) -> None:
    for place, wanted in ((CACHE, "drwxr-x---"), ("/etc/monitoring", "drwxr-x---")):
        assert stat.filemode(host.path(place).stat().st_mode) == wanted
    assert host.machine.said("stat -c %U:%G /etc/monitoring") == f"root:{USER}"
    assert host.machine.said(f"stat -c %a {CACHE}/monitoring.db") == "640"


def test_the_journal_is_kept_and_capped(host: Deployed) -> None:
    assert host.machine.said("ls -d /var/log/journal/*")
    assert "SystemMaxUse=1G" in host.path("/etc/systemd/journald.conf.d/monitoring.conf").read_text()
    assert "Permission denied" not in host.shell("journalctl --unit=monitoring --lines=1 2>&1").stdout


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ("UV_BIN=/nowhere/uv", "UV_BIN=/nowhere/uv is no program"),
        ("SUPERCRONIC_BIN=/etc/passwd", "SUPERCRONIC_BIN=/etc/passwd is no program"),
        ("REPO_DIR=/tmp/monitoring", "the units cannot see that place"),
        ("CACHE_DIR=relative", "name an absolute path"),
        ("TARGET_USER=root", "name an unprivileged user"),
        ("PYTHON=/bin/false", "PYTHON=/bin/false is no Python 3.11 or newer"),
        ("REPO_DIR=/srv/git", "is there and is no checkout"),
        ("REPO_URL=git://127.0.0.1/other.git", "is a checkout of something else than git://127.0.0.1/other.git"),
        ("REPO_DIR=/srv/new REPO_URL=git://127.0.0.1/none.git", "cannot clone branch main of git://127.0.0.1/none"),
        ("UV_BIN=", "UV_OFFLINE is set and there is no uv"),
    ],
)
def test_what_cannot_work_ends_with_one_clear_line(host: Deployed, variables: str, words: str) -> None:
    done = host.machine.run(INSTALL.replace("bash ", f"{variables} bash "), check=False)
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("install.sh: ")
    assert words in last


def test_without_root_it_says_so(host: Deployed) -> None:
    done = host.machine.run(f"bash {CHECKOUT}/deploy/install.sh", user=USER, check=False)
    assert (done.returncode, done.stderr) == (1, "install.sh: run this as root: sudo bash deploy/install.sh\n")


def test_a_supercronic_with_another_checksum_is_refused_and_not_installed(host: Deployed) -> None:
    host.machine.run("install -D /bin/true /srv/fake/v0.2.46/supercronic-linux-amd64")
    url = "SUPERCRONIC_URL=file:///srv/fake SUPERCRONIC_BIN="
    done = host.machine.run(INSTALL.replace("bash ", f"{url} bash "), check=False)
    assert done.returncode == 1
    assert "supercronic v0.2.46 for amd64 is refused: its SHA-256 is" in done.stderr
    assert not host.path("/usr/local/bin/supercronic").exists()


def test_an_env_file_that_others_may_read_is_closed(host: Deployed) -> None:
    host.machine.write("/etc/monitoring/.env", "CACHE_DIR=/srv/elsewhere\n", mode=0o644)
    told = host.machine.said(INSTALL)
    assert host.machine.said("stat -c '%a %U:%G' /etc/monitoring/.env") == f"640 root:{USER}"
    assert "/etc/monitoring/.env says CACHE_DIR=/srv/elsewhere, the units may write /srv/cache" in told


def test_legacy_cache_files_are_imported_once(host: Deployed) -> None:
    host.machine.run(f"printf 'safe:7\\n' >{CACHE}/nonces.txt && chown {USER}: {CACHE}/nonces.txt")
    host.machine.write("/etc/monitoring/.env", "LOG_LEVEL=INFO\n", mode=0o640)
    assert "nonces.txt: 1 imported, 0 kept, 0 invalid" in host.machine.said(INSTALL)
    assert "nonces.txt: 0 imported, 1 kept, 0 invalid" in host.machine.said(INSTALL)


def test_it_can_be_piped_into_a_shell(host: Deployed) -> None:
    piped = INSTALL.replace("bash /srv/clone/deploy/install.sh", "bash </srv/clone/deploy/install.sh")
    assert "monitoring is installed in /srv/monitoring" in host.machine.said(piped)
    done = host.machine.run(piped.replace("bash", "REPO_DIR=/srv/new bash"), check=False)
    assert (done.returncode, done.stderr) == (1, "install.sh: REPO_URL is not set: name the repository to clone\n")


def test_half_a_download_does_nothing(host: Deployed) -> None:
    done = host.machine.run("head -c 9000 /srv/clone/deploy/install.sh | bash", check=False)
    assert "monitoring is installed" not in done.stdout
    assert not done.stdout


def test_a_running_service_whose_unit_changed_is_named_and_left_running(host: Deployed) -> None:
    host.write_env()
    host.systemctl("start monitoring")
    before = host.state_of()["MainPID"]
    host.machine.run("echo '# of before' >>/etc/systemd/system/monitoring.service")
    told = host.machine.said(INSTALL)
    assert "/etc/systemd/system/monitoring.service written" in told
    assert "sudo systemctl restart monitoring.service" in told
    assert host.state_of()["MainPID"] == before
    host.systemctl("stop monitoring")


def test_uninstall_ends_a_run_in_flight_which_writes_its_row(host: Deployed) -> None:
    """The unit's main program is a stand-in that starts a run at once, as supercronic does at a tick."""
    host.write_env()
    host.land(jobs({"long": 'cron: "5 * * * *"'}, {"long": [Script("wait", "import time\ntime.sleep(300)\n")]}))
    start = "ExecStart=/bin/sh -c 'python -m automation run long & exec sleep 300'"
    host.machine.write("/etc/systemd/system/monitoring.service.d/run.conf", f"[Service]\nExecStart=\n{start}\n")
    host.systemctl("daemon-reload")
    host.systemctl("enable --quiet --now monitoring monitoring-api")
    wait_until(lambda: host.rows("SELECT status FROM task_runs") == [("running",)], "the task runs")
    host.machine.run("bash /srv/clone/deploy/uninstall.sh")
    assert host.rows("SELECT status, reason FROM runs") == [("aborted", "stopped by SIGTERM")]
    assert not host.path("/etc/systemd/system/monitoring.service.d").exists()


def test_uninstall_leaves_state_and_secrets_unless_told_otherwise(host: Deployed) -> None:
    told = host.machine.said("bash /srv/clone/deploy/uninstall.sh")
    assert "kept: the state in /srv/cache and the secrets in /etc/monitoring" in told
    gone = (
        "/etc/systemd/system/monitoring.service",
        CHECKOUT,
        "/usr/local/bin/monitoring",
        "/usr/local/bin/uv",
        "/etc/sudoers.d/monitoring",
        "/etc/systemd/journald.conf.d/monitoring.conf",
    )
    assert not [place for place in gone if host.path(place).exists()]
    assert host.systemctl("is-active monitoring", check=False) == "inactive"
    assert host.path(f"{CACHE}/monitoring.db").exists()
    assert host.path("/etc/monitoring/.env").exists()
    host.machine.run("bash /srv/clone/deploy/uninstall.sh --purge")
    assert not Path(host.path(CACHE)).exists()
    assert not host.path("/etc/monitoring").exists()


def test_it_can_be_installed_again_after_that(host: Deployed) -> None:
    assert "monitoring is installed in /srv/monitoring" in host.machine.said(INSTALL)
