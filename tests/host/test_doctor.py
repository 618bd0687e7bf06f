"""What `doctor` says of an installed host: all is well, or which part of it is not and what to do."""

from __future__ import annotations

import pytest

from tests.support.deployed import Deployed, Script, jobs

pytestmark = pytest.mark.host


@pytest.fixture(scope="module", autouse=True)
def _landed(host: Deployed) -> None:
    host.write_env()
    host.land(jobs({"hourly": 'cron: "5 * * * *"'}, {"hourly": [Script("look", "print('all is well')\n")]}))
    host.systemctl("enable --quiet --now monitoring")


@pytest.mark.usefixtures("telegram")
def test_a_host_that_follows_the_steps_of_install_is_well(host: Deployed) -> None:
    done = host.automation("doctor --all", check=False)
    assert "FAIL" not in done.stdout
    assert done.returncode == 0
    for line in (
        "ok     env file: /etc/monitoring/.env",
        "ok     scheduler: alive: supercronic",
        "ok     unit: /etc/systemd/system/monitoring.service starts at boot and may write the state",
        "ok     venv: matches requirements.lock",
    ):
        assert line in done.stdout


def test_a_unit_that_will_not_come_back_after_a_reboot_is_wrong(host: Deployed) -> None:
    host.systemctl("disable --quiet monitoring")
    told = host.automation("doctor", check=False).stdout
    host.systemctl("enable --quiet monitoring")
    assert "FAIL   unit: it is disabled: it does not start after a reboot\n" in told
    assert "fix: sudo systemctl enable --now monitoring.service" in told


def test_a_state_directory_that_the_unit_may_not_write_is_wrong(host: Deployed) -> None:
    told = host.shell("CACHE_DIR=/srv/elsewhere uv run python -m automation doctor", check=False).stdout
    assert "FAIL   unit: it may not write /srv/elsewhere, the state directory of this shell\n" in told
    assert "fix: use one directory" in told


def test_an_edited_unit_that_systemd_has_not_read_is_wrong(host: Deployed) -> None:
    host.machine.run("echo '# edited' >>/etc/systemd/system/monitoring.service")
    told = host.automation("doctor", check=False).stdout
    host.systemctl("daemon-reload")
    assert "FAIL   unit: its file changed after systemd read it\n" in told
    assert "fix: sudo systemctl daemon-reload" in told


def test_a_scheduler_that_was_stopped_is_wrong(host: Deployed) -> None:
    host.systemctl("stop monitoring")
    told = host.automation("doctor", check=False).stdout
    assert "FAIL   scheduler: NOT RUNNING" in told
