"""A node that leaves logs out (pruned receipts answered by `[]`) was believed.

Right: what a block's `logsBloom` says yes to and the logs do not show is read again from another provider, and the one
that left it out is named.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.support.checks_host import ChecksHost
from tests.support.rpc_server import Provider, serving

pytestmark = pytest.mark.case("C.5")
FILE = """\
monitor: timelocks
chains: [mainnet]
timelocks:
  first_run_lookback: 12h
  rows:
    - {name: Acme, chain: mainnet, address: "0x83F20F44975D03b1b09e64809B757c47f942BEeA", kind: oz_timelock_controller,
       protocol: acme}
"""


class Bloomed(Provider):
    """Its headers say that every block may hold a log of every contract; its logs are empty."""

    def eth_getBlockByNumber(self, tag: str, full: bool) -> dict[str, str] | None:  # noqa: N802
        block = super().eth_getBlockByNumber(tag, full)
        return {**block, "logsBloom": "0x" + "ff" * 256} if block else None


def test_empty_logs_against_a_full_bloom_are_not_believed(tmp_path: Path) -> None:
    first, second = Bloomed(head_time=time.time), Bloomed(head_time=time.time)
    with serving(first, second):
        host = ChecksHost(tmp_path, {"PROVIDER_URL_MAINNET": first.url, "PROVIDER_URL_MAINNET_1": second.url})
        done = host.do("run", host.file(FILE))

    assert first.count("eth_getLogs") > 0, done.stderr
    assert second.count("eth_getLogs") + second.count("eth_getBlockReceipts") > 0
