"""Every command of deploy/runbook.md, typed on a booted host as it stands, by the user the page names; its restore."""

from __future__ import annotations

import re

import pytest

from tests.support.console import commands
from tests.support.deployed import CACHE, CHECKOUT, ENV_FILE, USER, Deployed, Script, jobs
from tests.support.host import ROOT, wait_until
from tests.support.typing_users import let_people_type, type_command, type_line

pytestmark = [pytest.mark.host, pytest.mark.case("G.2")]
# What is typed on another machine is left out, and nothing else.
COMMANDS = [found for found in commands((ROOT / "deploy" / "runbook.md").read_text()) if found.where != "elsewhere"]
# They find something, find nothing to show, or have no data, on a host without a network that was just installed.
_MAY_SAY_NO = re.compile(r" (audit|doctor|deliver|run hourly|catch-up)\b|\| grep ")
BACKUP = "monitoring-20261124T081903Z.db"
FIRING = """
from utils.monitor import HIGH, monitor

@monitor("maple")
def main(m):
    m.alert(HIGH, "USDC is used up", key="utilisation/USDC")

if __name__ == "__main__":
    main()
"""


@pytest.fixture(scope="module")
def site(host: Deployed) -> Deployed:
    """A host with what the page takes for given: secrets, a backup of that name, and what the old host left."""
    host.write_env()
    let_people_type(host)
    host.systemctl("enable --quiet --now monitoring monitoring-api")
    wait_until(
        lambda: host.machine.run("curl -sf http://127.0.0.1:8923/", check=False).returncode == 0, "the API is up"
    )
    host.automation("backup")
    host.shell(f"cp {CACHE}/backups/monitoring-*.db {CACHE}/backups/{BACKUP}")
    host.machine.run(
        f"cp {CACHE}/backups/{BACKUP} {ENV_FILE} /srv/clone/ && cd /srv/clone && mv .env env-of-the-old-host"
    )
    host.machine.run(f"chmod a+r /srv/clone/{BACKUP} /srv/clone/env-of-the-old-host")
    return host


def test_every_command_of_the_runbook_does_what_it_says(site: Deployed) -> None:
    assert len(COMMANDS) >= 60
    with site.chat():
        site.automation("run multisig", check=False)  # the host has no network: its checks have no data
        for command in COMMANDS:
            typed = type_command(site, command)
            told = f"{command.line}: {command.text}\n{typed.output}"
            assert typed.code in ((0, 1) if _MAY_SAY_NO.search(command.text) else (0,)), told
            for words in ("Traceback", "ermission denied", "dubious ownership", "password is required"):
                assert words not in typed.output, told
    assert strangers(site) == ""
    assert site.machine.said(f"stat -c '%a %U:%G' {ENV_FILE}") == f"640 root:{USER}"


def strangers(host: Deployed) -> str:
    """Return what somebody else than the deploy user left in checkout and state."""
    return host.machine.said(f"find {CHECKOUT} {CACHE} ! -user {USER}")


@pytest.mark.parametrize(
    "line",
    ["sudo systemctl restart ssh", "sudo bash deploy/install.sh", "sudo -u root id", "sudoedit /etc/passwd",
     "sudo ./deploy/migrate-file-cache-to-db.sh", "sudo systemctl status monitoring", "sudo .venv/bin/python -V"],
)  # fmt: skip
def test_the_deploy_user_may_do_as_root_what_the_page_says_and_nothing_else(site: Deployed, line: str) -> None:
    typed = type_line(site, line)
    assert typed.code != 0
    assert "password" in typed.output


@pytest.mark.parametrize("line", ["make sync", "uv sync --frozen", "uv run python -m automation status"])
def test_root_in_the_checkout_leaves_nothing_and_is_told_what_to_type(site: Deployed, line: str) -> None:
    done = site.machine.run(f"cd {CHECKOUT} && UV_OFFLINE=1 UV_FIND_LINKS=/opt/parts/wheels {line}", check=False)
    if line == "make sync":
        assert done.returncode == 2
        assert f"this checkout belongs to {USER}; type: sudo -u {USER} make -C {CHECKOUT} sync" in done.stderr
    else:
        assert done.returncode == 0, done.stderr
    assert strangers(site) == ""


def test_a_restore_on_a_live_host_loses_no_alert_and_the_api_shows_what_was_restored(site: Deployed) -> None:
    host = site
    host.land(jobs({"hourly": 'cron: "5 * * * *"'}, {"hourly": [Script("maple", FIRING)]}))
    with host.chat() as telegram:
        host.once("python -m automation run hourly")
        assert [message for message in telegram.messages if "USDC is used up" in message.text]
        host.automation("backup")
        told = len(telegram.messages)
        name = host.shell(f"ls {CACHE}/backups | tail -1").stdout.strip()
        host.automation("silence --protocol lido --for 1h --reason test")
        host.automation("run hourly")
        [(last_id,)] = host.rows("SELECT max(id) FROM runs")
        # Root works as the owner of the state, and leaves nothing behind that is not the owner's.
        host.machine.run(f"monitoring restore {name}")
        host.once("python -m automation run hourly")
        texts = [message.text for message in telegram.messages[told:]]
    assert len([text for text in texts if "restored from a backup" in text]) == 1
    assert not [text for text in texts if "USDC is used up" in text], "what was told is not told again"
    newest = host.rows(f"SELECT id - {last_id} FROM runs ORDER BY id DESC LIMIT 2")
    assert newest == [(1,), (-1,)], "one run is undone"
    assert host.rows("SELECT protocol FROM silences WHERE reason = 'test'") == [("lido",)]
    assert strangers(host) == ""
    shown = host.machine.said("curl -s 'http://127.0.0.1:8923/v1/alerts?limit=1&protocol=automation'")
    assert "restored from a backup" in shown
