"""`timelocks` and `safes` as a task runs them: a real child process, a real store, real contracts, a real service."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from monitoring.chains.networks import network
from tests.support import anvil, parts
from tests.support.anvil import Anvil
from tests.support.checks_host import ChecksHost
from tests.support.http_service import http_service
from tests.support.own_contracts import runtime_code
from tests.support.safes import CURATION, SafeService, execute, queued, safe_at
from tests.support.timelocks import DAY, NOTHING, SALT, YEARN, calls_of, timelock_at

pytestmark = pytest.mark.node
TIMELOCKS = f"""monitor: timelocks
chain: mainnet
timelocks:
  rows: [{{name: Yearn, chain: mainnet, address: "{YEARN}", protocol: yearn, kind: oz_timelock_controller}}]
"""
SAFES = f"""monitor: safes
chain: mainnet
safes:
  rows: [{{name: Curation, chain: mainnet, address: "{CURATION}", protocol: yearn}}]
"""
CHECKS = ("queue", "executions", "owners", "modules", "setup", "module-runs")


@pytest.fixture
def node() -> Iterator[Anvil]:
    if anvil.binary() is None:
        parts.missing(anvil.HOW_TO_GET_IT)
    with anvil.running("--chain-id", "1") as running:
        running.set_code(network(1).multicall3, runtime_code("Aggregate3"))
        yield running


def test_both_are_read_judged_and_stored_with_where_to_go_on(node: Anvil, tmp_path: Path) -> None:
    service = SafeService({"eth": [queued(0)]})
    timelock = timelock_at(node, "oz5")
    safe = safe_at(node)
    node.mine(4)
    with http_service(service.answer) as scripted:
        host = ChecksHost(tmp_path, {"PROVIDER_URL_MAINNET": node.url, "SAFE_SERVICE_URL": scripted.url})
        files = host.file(TIMELOCKS, "timelocks.yaml"), host.file(SAFES, "safes.yaml")
        first = host.run(*files)
        checks = [line.split()[0] for line in first]
        assert [check for check in checks if "safe-transaction" not in check] == [
            f"timelocks/timelocks/1/{YEARN.lower()}",
            *(f"safes/safe-{check}/1/{CURATION.lower()}" for check in CHECKS),
        ]
        assert "1 pending, asked every 10 min" in first[1]
        (followed,) = [line for line in first if "safe-transaction" in line]
        assert f"{CURATION.lower()}/{queued(0)['safeTxHash']}" in followed
        assert "nonce 0: 1 of 1 signed, can be executed now" in followed
        seen = [len(host.told)]
        assert host.told == ["HIGH alert Yearn (mainnet): 5 changes of control, 1 change of the delay"]

        timelock.send("scheduleBatch", *calls_of(timelock), NOTHING, SALT, 2 * DAY)
        service.rows["eth"].append(queued(1))
        execute(safe, "changeThreshold", 1)  # its nonce moves on, so the queue is read at once
        node.mine(4)
        host.run(*files)
        told = host.new(seen)
        assert [line.split(", can run")[0] for line in told] == [
            "HIGH alert Yearn (mainnet): operation scheduled",
            "MEDIUM alert Curation (mainnet): transaction queued at nonce 1",
            "HIGH alert Curation (mainnet): transaction at nonce 0 was executed, which was not seen in its queue",
            "LOW alert Curation (mainnet): transaction at nonce 0 was replaced by another one",
        ]
        host.run(*files)
        assert host.new(seen) == []
        kept = host.rows("SELECT data_json FROM conditions WHERE check_name = 'timelocks'")
        assert json.loads(kept[0][0])["memory"]["next"] == node.head - network(1).confirmations + 1
