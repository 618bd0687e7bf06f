"""An empty transaction whose gas refund drains the Safe was said to be harmless at LOW; "Signed by: 3 of 1" was shown.

Right: nothing with a refund, a delegate call or calldata that cannot be decoded is harmless; signatures are checked.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from monitoring.alerts.message.model import Severity
from monitoring.chains.networks import network
from tests.integration.test_safes import later, watching
from tests.support import anvil
from tests.support.own_contracts import runtime_code
from tests.support.safes import BOT, CURATION, ZERO, SafeService, queued, safe_at

pytestmark = [pytest.mark.case("D.8"), pytest.mark.node]
DRAIN = {
    "to": CURATION, "data": None, "value": "0",
    "baseGas": "30000000", "safeTxGas": "0", "gasPrice": "1000000000000000000",
    "gasToken": ZERO, "refundReceiver": "0x" + "66" * 20, "confirmationsRequired": 1,
    "confirmations": [{"owner": BOT}, {"owner": "0x" + "01" * 20}, {"owner": "0x" + "02" * 20}],
}  # fmt: skip


def test_a_refund_that_drains_the_safe_is_said_and_signatures_are_checked(chain: anvil.Anvil, tmp_path: Path) -> None:
    service = SafeService()
    with anvil.running("--chain-id", "1") as node:
        node.set_code(network(1).multicall3, runtime_code("Aggregate3"))
        safe_at(node)
        with watching(tmp_path, service, {"mainnet": node.url}) as world:
            world.run()
            service.rows["eth"] = [queued(0, **DRAIN)]
            (alert,) = later(world).told

    assert alert.severity >= Severity.HIGH
    assert "refund" in alert.text.lower()
    assert "3 of 1" not in alert.text
