"""A second host takes over from a backup and the env file: it knows what was told, and what was not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.host.conftest import Installation, fresh_host
from tests.support.deployed import CACHE, ENV_FILE, USER, Deployed, Script, jobs

pytestmark = pytest.mark.host
FIRING = """
from utils.monitor import HIGH, monitor

@monitor("aave")
def main(m):
    m.alert(HIGH, "USDC is used up", key="utilisation/USDC")

if __name__ == "__main__":
    main()
"""
OVER = FIRING.replace('m.alert(HIGH, "USDC is used up", key="utilisation/USDC")', 'm.resolve("utilisation/USDC")')


@pytest.fixture(scope="module")
def second(installation: Installation, stage: Path) -> Iterator[Deployed]:
    with fresh_host(installation, stage / "second") as booted:
        yield booted


def back_up_and_restore(old: Deployed, new: Deployed) -> None:
    """Bring the database of one host to the other, as the runbook does."""
    old.automation("backup")
    (backup,) = old.path(f"{CACHE}/backups").glob("monitoring-*.db")
    new.machine.run(f"install -d -m 0700 -o {USER} -g {USER} {CACHE}/backups")
    new.path(f"{CACHE}/backups/{backup.name}").write_bytes(backup.read_bytes())
    new.machine.run(f"chown {USER}: {CACHE}/backups/{backup.name}")
    new.automation(f"restore {backup.name}")


def one_task(script: str) -> dict[str, str | None]:
    return jobs({"hourly": 'cron: "5 * * * *"'}, {"hourly": [Script("aave", script)]})


def test_the_new_host_goes_on_where_the_old_one_stopped(host: Deployed, second: Deployed) -> None:
    host.write_env()
    host.land(one_task(FIRING))
    host.systemctl("enable --quiet --now monitoring")
    with host.chat() as telegram:
        host.once("python -m automation run hourly")
        (told,) = telegram.messages
        assert "USDC is used up" in told.text

    back_up_and_restore(host, second)
    second.machine.write(ENV_FILE, host.path(ENV_FILE).read_text())
    second.machine.run(f"chown root:{USER} {ENV_FILE} && chmod 0640 {ENV_FILE}")
    second.land(one_task(FIRING))
    second.systemctl("enable --quiet --now monitoring")
    host.systemctl("disable --quiet --now monitoring")

    with second.chat() as telegram:
        second.once("python -m automation run hourly")
        (news,) = telegram.messages
        assert "USDC" not in news.text, "what the old host told is not told again"
        assert "restored" in news.text
        second.land(one_task(OVER))
        second.once("python -m automation run hourly")
        _, recovery = telegram.messages
        assert "USDC is used up" in recovery.text
    assert second.rows("SELECT status FROM runs WHERE profile = 'hourly' AND status != 'missed'") == [("ok",)] * 3
    assert second.rows("SELECT count(*) FROM alert_events WHERE protocol = 'aave'") == [(2,)]


def test_the_old_host_is_silent_then(host: Deployed) -> None:
    state = host.state_of()
    assert (state["ActiveState"], state["Result"]) == ("inactive", "success")
    assert host.systemctl("is-enabled monitoring", check=False) == "disabled"
