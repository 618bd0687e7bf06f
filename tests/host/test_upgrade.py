"""A host that a release before installed follows main to this one, goes back by a revert, and forward again.

Its units, its env file and its state directory stay as that release made them; then install.sh runs once more.
"""

from __future__ import annotations

import json
from functools import partial

import pytest

from tests.host.conftest import OlderHost
from tests.support import release_before
from tests.support.deployed import INSTALL, Deployed, Script, copy_checkout, jobs

pytestmark = pytest.mark.host
RAISES = """
from utils.monitor import HIGH, monitor

@monitor("acme")
def main(m):
    m.limit("backing", 0.5, below=1, severity=HIGH)
    m.alert(HIGH, "a script raised this", key="raised")

if __name__ == "__main__":
    main()
"""
JOBS = jobs(
    {"multisig": 'cron: "0 0 1 1 *"\nsync_before_run: true', "hourly": 'cron: "0 0 1 1 *"'},
    {"multisig": [Script("look", "print('fine')\n")], "hourly": [Script("acme", RAISES)]},
)
SYNC = "python -m automation run multisig"
RUN = "python -m automation run hourly"


def is_served(host: Deployed) -> None:
    """Restart both units, and see that they work with what the checkout holds now."""
    host.systemctl("reset-failed")
    host.systemctl("restart monitoring monitoring-api")
    answer = host.machine.said(
        "curl --silent --fail --retry 40 --retry-all-errors --retry-delay 1 localhost:8923/v1/alerts"
    )
    assert len(json.loads(answer)["data"]) >= 2
    assert [host.state_of(unit)["ActiveState"] for unit in ("monitoring", "monitoring-api")] == ["active", "active"]


def said(host: Deployed) -> list[tuple[object, ...]]:
    return host.rows("SELECT id, title FROM alert_events WHERE protocol = 'acme' ORDER BY id")


def test_a_host_of_a_release_before_goes_forward_back_and_forward_with_its_own_units(older_host: OlderHost) -> None:
    host, release = older_host.deployed, older_host.release
    host.write_env()
    host.land(JOBS)
    with host.chat() as chat:
        host.once(RUN)
        before = said(host)
        assert len(before) == 2
        is_served(host)
        for copy in (copy_checkout, partial(release_before.extract, release), copy_checkout):
            commit = host.push_tree(copy, JOBS)
            told = host.once(SYNC)
            assert host.shell("git rev-parse HEAD").stdout.strip() == commit, told
            host.once(RUN)
            assert said(host) == before, told
            is_served(host)
        texts = [message.text for message in chat.messages]
        assert sum("a script raised this" in text for text in texts) == 1
    host.machine.run("cd /srv/clone && git pull --quiet origin main")
    host.machine.said(INSTALL)
    is_served(host)
    assert host.rows("SELECT count(*) FROM deliveries WHERE status = 'pending'") == [(0,)]
