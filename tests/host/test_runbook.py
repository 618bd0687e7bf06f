"""Every command of deploy/runbook.md that a booted host can run, run there as the page says; and its restore."""

from __future__ import annotations

import re

import pytest

from tests.support.console import Command, commands
from tests.support.deployed import CACHE, CHECKOUT, USER, Deployed, Script, jobs
from tests.support.host import ROOT, wait_until

pytestmark = [pytest.mark.host, pytest.mark.xdist_group("host")]
COMMANDS = [found for found in commands((ROOT / "deploy" / "runbook.md").read_text()) if found.where != "by-hand"]
# They find something, or they find nothing to show, on a host that has just been installed.
_MAY_SAY_NO = re.compile(r" (audit|doctor|deliver)\b|\| grep ")
FIRING = """
from utils.monitor import HIGH, monitor

@monitor("maple")
def main(m):
    m.alert(HIGH, "USDC is used up", key="utilisation/USDC")

if __name__ == "__main__":
    main()
"""


def typed(host: Deployed, command: Command) -> tuple[int, str]:
    """Type it in the checkout: with sudo as root, else as the deploy user."""
    if "sudo " in command.text:
        done = host.machine.run(f"cd {CHECKOUT} && {command.text.replace('sudo ', '')}", check=False)
    else:
        done = host.shell(command.text, check=False)
    return done.returncode, done.stdout + done.stderr


def test_every_command_of_the_runbook_does_what_it_says(host: Deployed) -> None:
    assert len(COMMANDS) >= 40
    host.write_env()
    host.systemctl("enable --quiet --now monitoring monitoring-api")
    wait_until(
        lambda: host.machine.run("curl -sf http://127.0.0.1:8923/", check=False).returncode == 0, "the API is up"
    )
    with host.chat():
        host.automation("run multisig")
        for command in COMMANDS:
            code, told = typed(host, command)
            assert code in ((0, 1) if _MAY_SAY_NO.search(command.text) else (0,)), f"{command.text}\n{told}"
            assert "Traceback" not in told, f"{command.text}\n{told}"
            assert "ermission" not in told, f"{command.text}\n{told}"


def test_a_restore_on_a_live_host_loses_no_alert_and_the_api_shows_what_was_restored(host: Deployed) -> None:
    host.land(jobs({"hourly": 'cron: "5 * * * *"'}, {"hourly": [Script("maple", FIRING)]}))
    with host.chat() as telegram:
        host.once("python -m automation run hourly")
        assert "USDC is used up" in telegram.messages[-1].text
        host.automation("backup")
        told = len(telegram.messages)
        name = host.shell(f"ls {CACHE}/backups | tail -1").stdout.strip()
        host.automation("silence --protocol lido --for 1h --reason test")
        host.automation("run hourly")
        [(last_id,)] = host.rows("SELECT max(id) FROM runs")
        # Root works as the owner of the state, and leaves nothing behind that is not the owner's.
        host.machine.run(f"cd {CHECKOUT} && .venv/bin/python -m automation restore {name}")
        host.once("python -m automation run hourly")
        texts = [message.text for message in telegram.messages[told:]]
    assert len([text for text in texts if "restored from a backup" in text]) == 1
    assert not [text for text in texts if "USDC is used up" in text], "what was told is not told again"
    assert host.rows("SELECT id - ? FROM runs ORDER BY id DESC LIMIT 2", last_id) == [(1,), (-1,)], "one run is undone"
    assert host.rows("SELECT protocol FROM silences WHERE reason = 'test'") == [("lido",)]
    strangers = host.machine.said(f"find {CACHE} ! -user {USER}")
    assert strangers.strip() == ""
    shown = host.machine.said("curl -s 'http://127.0.0.1:8923/v1/alerts?limit=1&protocol=automation'")
    assert "restored from a backup" in shown
