"""The shipped Morpho monitor: what its data files say, their mistakes, and what a run asks of chains and services."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest

from monitoring.base.errors import UsageError
from protocols.morpho.markets_data import HERE, WatchedVault, load
from protocols.morpho.markets_simulated import DrilledMorpho, SimMarket, SimMorpho, address
from protocols.morpho.test_markets import MILLION, UNIT, book

FILES = ("vaults.yaml", "vaults_v2.yaml", "markets.yaml", "markets_unwind.yaml", "risk.yaml")


def test_every_vault_and_market_that_the_reference_watches_is_in_the_files() -> None:
    found = load()
    without = [one.version for one in found.vaults if not one.collateral_asset]

    assert Counter(one.version for one in found.vaults) == {1: 24, 2: 15}
    assert Counter(without) == {1: 14, 2: 8}  # those with a check of their own for liquidity
    assert Counter(one.tier for one in found.tiers.values()) == {1: 60, 2: 63, 3: 37, 4: 18, 5: 3}
    assert [(one.asset, one.chain) for one in found.unwind] == [
        (asset, "katana") for asset in ("USDC", "USDT", "WETH", "WBTC")
    ]
    assert {one.asset_address for one in found.unwind} == {
        one.collateral_asset for one in found.vaults if one.collateral_asset
    }


def test_the_limits_are_those_of_the_on_call_team() -> None:
    limits = load().limits

    assert [str(limits.share_of(tier, 1)) for tier in range(1, 6)] == ["101/100", "3/10", "1/10", "1/20", "1/100"]
    assert [str(limits.max_risk[str(level)]) for level in range(1, 6)] == ["23/20", "23/10", "69/20", "23/5", "5"]
    assert [str(one) for one in (limits.bad_debt, limits.liquidity, limits.smallest, limits.coverage)] == [
        "1/200", "1/100", "10000", "5/4",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("file", "right", "wrong", "said"),
    [("vaults.yaml", "risk_level: 1}", "risk_level: 9}", "vaults.yaml:4:107 [0].risk_level: '9' is no tier"),
     ("vaults.yaml", "0x68Aea7", "0x68aea7", "[0].address: the checksum of 0x68aea7"),
     ("vaults.yaml", 'name: "Yearn USDT"', 'name: "Yearn USDC"', "mainnet Yearn USDC V1 is listed twice"),
     ("vaults_v2.yaml", "chain: mainnet", "chain: mainet", "[0].chain: "),
     ("markets.yaml", "tier: 1,", "teir: 1,", "[0].teir: unknown key: did you mean tier?"),
     ("markets.yaml", "0x3a85e6", "0x3a85e", "[0].id: '0x3a85e"),
     ("markets_unwind.yaml", "asset: USDC, ", "", "[0].asset: missing"),
     ("risk.yaml", "  5: 1%\n", "", "max_share and max_risk need each tier: 5 is missing"),
     ("risk.yaml", "bad_debt: 0.5%", "bad_debt: little", "bad_debt: value='little' is not a number")],
)  # fmt: skip
def test_a_mistake_in_a_data_file_is_named_with_its_place(
    tmp_path: Path, file: str, right: str, wrong: str, said: str
) -> None:
    for name in FILES:
        shutil.copy(HERE / name, tmp_path / name)
    text = (tmp_path / file).read_text()
    assert right in text
    (tmp_path / file).write_text(text.replace(right, wrong, 1))

    with pytest.raises(UsageError) as error:
        load(tmp_path)

    assert said in str(error.value)


def crowd(vaults: int, markets: int) -> tuple[SimMorpho, tuple[WatchedVault, ...]]:
    """Return a chain with so many vaults, each in so many markets of its own."""
    found = SimMorpho("katana", tokens={"USDC": ("USDC", 6)}, prices={"USDC": 1})
    found.markets = {name: SimMarket(name, "USDC") for name in ("safe", "fair", "risky")}  # those with a tier
    watched = []
    for place in range(vaults):
        vault = address(f"vault {place}")
        names = [f"{place}-{market}" for market in range(markets)]
        found.v1[vault], found.asset[vault] = names, "USDC"
        for name in names:
            found.markets[name] = SimMarket(name, "USDC", borrowed=UNIT)
            found.lend(vault, name, MILLION)
        watched.append(WatchedVault(name=f"Acme {place}", chain="katana", address=vault, risk_level=1))
    return found, tuple(watched)


def test_twice_as_many_markets_and_twice_as_many_vaults_cost_no_more_requests(tmp_path: Path) -> None:
    asked = {}
    for vaults, markets in ((3, 5), (3, 10), (6, 5)):
        found, watched = crowd(vaults, markets)
        here = DrilledMorpho(tmp_path / f"{vaults}-{markets}", found, book=book(found, *watched))
        run = here.run()
        assert len(run.states) == 6 * vaults
        assert dict(run.unknown) == {}
        asked[vaults, markets] = Counter(here.asked)

    assert asked[3, 5] == asked[3, 10] == asked[6, 5]
    assert asked[3, 5]["service"] == 1  # for the bad debt of all markets
    assert asked[3, 5]["price"] == 1  # one token, however many vaults breach
    assert asked[3, 5]["katana"] <= 9
