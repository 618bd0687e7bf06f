"""An amount that is not divided by the token's decimals is named where its check says money; a sound one never is."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitoring.checks.builtin import TYPES
from monitoring.checks.config.load import load_monitor
from tests.support.drills import monitor_files

FILE = """\
monitor: acme
chain: mainnet
contracts: {{vault: "0x83F20F44975D03b1b09e64809B757c47f942BEeA", feed: "0x8fFfFfd4AfB6115b954Bd326cbe7B4BA576818f6"}}
functions: ["price()(uint256)", "assets(address)(uint256)"]
values: {{size: vault.totalAssets(), whole: vault.totalAssets() / 1e18, rate: feed.price() / 1e8}}
checks:
  - {{id: a, severity: high, {check}}}
"""
UNDIVIDED = [
    "require: vault.totalAssets() >= 1000, unit: usd",
    "require: vault.totalAssets() >= 1000e18, unit: usd",
    "require: 1000 <= vault.balanceOf(vault), unit: USDC",
    "require: size >= 1000, unit: usd",
    "require: size > vault.totalSupply(), unit: usd",
    "require: 'min(size, 5) >= 1000', unit: usd",
    "require: size / 2 >= 1000, unit: usd",
    "require: size * feed.price() >= 1000, unit: usd",
    "require: (size if size > 0 else none) >= 1000, unit: usd",
    "require: erc20(feed).totalSupply() >= 1000, unit: ETH",
    "change_of: vault.totalAssets(), max_drop: 50_000, unit: usd",
    "changed: vault.totalSupply(), unit: usd",
]
SOUND = [
    "require: vault.totalAssets() / 1e18 >= 1000, unit: usd",
    "require: vault.totalAssets() / 1_000_000 >= 1000, unit: USDC",
    "require: whole >= 1000, unit: usd",
    "require: whole * rate >= 1000, unit: usd",
    "require: size * rate / 1e18 >= 1000, unit: usd",
    "require: size * 0.000001 >= 1000, unit: usd",
    "require: size / vault.totalSupply() >= 95%",
    "require: vault.convertToAssets(1e18) / 1e18 >= 1, unit: usd",
    "require: vault.totalAssets() >= 1000",
    "require: vault.totalAssets() >= 1000, unit: wei",
    "require: feed.price() >= 1000, unit: usd",
    "change_of: vault.totalAssets(), priced_at: rate / 1e18, max_drop: 50_000, unit: usd",
]


def warnings(folder: Path, check: str) -> list[str]:
    path = folder / "monitor.yaml"
    path.write_text(FILE.format(check=check))
    return [line.removeprefix(f"{path}:") for line in load_monitor(path, TYPES).warnings]


@pytest.mark.parametrize("check", UNDIVIDED)
def test_an_undivided_amount_in_money_is_named_at_its_unit(check: str, tmp_path: Path) -> None:
    (line,) = warnings(tmp_path, check)
    column = FILE.format(check=check).splitlines()[6].index("unit: ") + len("unit: ") + 1
    assert line.startswith(f"7:{column} checks.a.unit: warning: ")
    assert "returns the token's smallest unit, not" in line


@pytest.mark.parametrize("check", SOUND)
def test_an_amount_that_fits_its_unit_is_not_named(check: str, tmp_path: Path) -> None:
    assert warnings(tmp_path, check) == []


@pytest.mark.parametrize("path", monitor_files(), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_no_shipped_monitor_is_warned_of(path: Path) -> None:
    assert load_monitor(path, TYPES).warnings == ()
