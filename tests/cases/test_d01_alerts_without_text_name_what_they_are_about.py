"""An alert of a check without `text` named neither monitor nor contract: `share-price fell by 0.95%, from 1.05`.

Right: its first line names severity and monitor, and the message links the contract it is about.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from utils.monitor import HIGH, Context, call, monitor
from utils.testing import SimChain, run

pytestmark = [pytest.mark.case("D.1")]
VAULT = "0x83F20F44975D03b1b09e64809B757c47f942BEeA"
ASSETS = "totalAssets()(uint256)"
FILE = f"""\
monitor: acme
chain: mainnet
contracts: {{vault: "{VAULT}"}}
checks:
  - {{id: floor, require: vault.totalAssets() >= 100, severity: high}}
"""


@monitor("acme")
def function(m: Context) -> None:
    m.limit("floor", m.chain(1).read(assets=call(VAULT, ASSETS)).assets, below=100, severity=HIGH)


@pytest.mark.parametrize("kind", ["file", "function"])
def test_the_first_line_names_severity_and_monitor_and_the_contract_is_linked(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "monitor.yaml"
    path.write_text(FILE)
    chain = SimChain({(VAULT, ASSETS): 5})
    (fired,) = run(path if kind == "file" else function, store=tmp_path / "store", chain=chain)

    first = fired.text.splitlines()[0]
    assert "HIGH" in first
    assert "acme" in first
    assert VAULT[:6] in fired.text
