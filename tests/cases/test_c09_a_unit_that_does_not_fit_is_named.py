"""`totalAssets() >= 1000` with `unit: usd` on an amount in a token's smallest unit validated and could never fire.

Right: `validate` warns at its place that the amount is not divided by the token's decimals.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.checks_host import ChecksHost

pytestmark = pytest.mark.case("C.9")
FILE = """\
monitor: acme
chain: mainnet
contracts: {vault: "0x83F20F44975D03b1b09e64809B757c47f942BEeA"}
checks:
  - {id: size, require: vault.totalAssets() >= 1000, severity: high, unit: usd}
"""


def test_validate_warns_of_an_undivided_amount_in_a_money_unit(tmp_path: Path) -> None:
    host = ChecksHost(tmp_path)
    done = host.do("validate", host.file(FILE))

    assert "monitor.yaml:5:" in done.stdout + done.stderr
    assert "decimals" in done.stdout + done.stderr
