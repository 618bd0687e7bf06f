"""Routine governance could call the emergency webhook: webhooks followed from a severity. Seven pegs alerted as `pegs`.

Right: a machine is called for the checks that say `machine: true`; each row carries its own protocol and channel.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.checks_host import ChecksHost
from tests.support.child import CHECKOUT
from tests.support.host import Host

pytestmark = pytest.mark.case("D.7")
RAISES = """
from utils.monitor import monitor

@monitor("aave")
def main(m):
    m.alert("CRITICAL", "an operation was scheduled", key="operation")

main()
"""


@pytest.mark.ci
def test_a_severity_alone_calls_no_machine(tmp_path: Path) -> None:
    host = Host(tmp_path)
    host.profile({"aave": RAISES})
    host.automation("run", "hourly", WEBHOOK_URL_AAVE="http://127.0.0.1:9/hook", WEBHOOK_SECRET="s3cr3t-enough")

    assert host.rows("SELECT count(*) FROM alert_events") == [(1,)]
    assert [row for row in host.rows("SELECT destination FROM deliveries") if "webhook" in str(row[0])] == []


def test_each_peg_and_pool_alerts_under_the_name_of_its_asset(tmp_path: Path) -> None:
    host = ChecksHost(tmp_path)
    files = [CHECKOUT / "protocols/pegs/monitor.yaml", CHECKOUT / "protocols/lrt_pegs/pools.yaml"]
    found = json.loads(host.do("describe", *files).stdout)
    protocols = {str(check.get("protocol", one["protocol"])) for one in found for check in one["checks"]}

    assert {"circle", "tether", "maker", "ethena", "wbtc", "coinbase", "lombard", "origin"} <= protocols
