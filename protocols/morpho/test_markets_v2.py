"""Drills of markets.py for vaults V2: each kind of adapter, what lies idle, and an adapter that nobody knows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from protocols.morpho.markets_data import TieredMarket, WatchedVault
from protocols.morpho.markets_simulated import DrilledMorpho, SimMorpho, address
from protocols.morpho.test_markets import MILLION, VAULT, book, morpho, said
from utils.testing import Reverts

V2 = address("vault v2")
ACME = WatchedVault(name="Acme V2", chain="katana", address=V2, risk_level=1, version=2)


def with_markets(kind: str) -> tuple[SimMorpho, str]:
    """Return a vault V2 of one million: 80% in `safe`, 10% in `fair`, and 10% that lie idle in it."""
    found = morpho()
    found.asset[V2], found.idle[V2] = "USDC", MILLION // 10
    adapter = found.add_adapter(V2, "adapter", 9 * MILLION // 10, kind, ("safe", "fair"))
    found.lend(adapter, "safe", 8 * MILLION // 10)
    found.lend(adapter, "fair", MILLION // 10)
    return found, adapter


def test_the_markets_of_an_adapter_are_judged_as_those_of_a_vault(tmp_path: Path) -> None:
    for kind in ("params", "ids"):
        found, adapter = with_markets(kind)
        here = DrilledMorpho(tmp_path / kind, found, book=book(found, ACME))
        quiet = here.run()

        found.lend(adapter, "fair", 6 * MILLION // 10)
        found.adapters[adapter]["", "realAssets()(uint256)"] = 14 * MILLION // 10
        fired = here.run()

        assert (list(quiet), dict(quiet.unknown)) == ([], {})
        assert said(fired, "allocation") == [
            ("fired", "HIGH", "Acme V2 on Katana holds 10% beyond its market limits")  # 6 of 15, whose limit is 30%
        ]
        assert [severity for _, severity, _ in said(fired, "risk")] == ["HIGH"]  # of a vault V1 it is MEDIUM


def test_what_a_vault_v1_holds_counts_by_the_part_that_the_adapter_has_of_it(tmp_path: Path) -> None:
    found = morpho()
    found.asset[V2], found.idle[V2] = "USDC", 0
    adapter = found.add_adapter(V2, "adapter", MILLION // 2, f"inner {VAULT}")
    found.shares[VAULT, adapter] = MILLION // 2
    here = DrilledMorpho(tmp_path, found, book=book(found, ACME))
    quiet = here.run()

    found.markets["fair"].bad_debt = found.markets["fair"].borrowed // 10
    fired = here.run()

    assert (list(quiet), dict(quiet.unknown)) == ([], {})
    assert "LBTC/USDC 10% bad debt, 7% of the vault" in next(one.text for one in fired)


def test_an_adapter_of_an_unknown_kind_is_named_and_counts_as_the_riskiest(tmp_path: Path) -> None:
    found, _ = with_markets("ids")
    strange = found.add_adapter(V2, "strange", MILLION // 10)
    here = DrilledMorpho(tmp_path, found, book=book(found, ACME))

    fired = here.run()

    assert said(fired, "untiered") == [
        ("fired", "MEDIUM", f"Acme V2 on Katana lends in a market without a risk tier: adapter {strange} (9.09%)")
    ]
    (excess,) = (one for one in fired if one.check.startswith("allocation"))
    assert "9.09% (no tier, counts as 5, limit 1%)" in excess.text


def test_an_adapter_that_was_rated_by_its_address_has_its_tier(tmp_path: Path) -> None:
    found, _ = with_markets("ids")
    rated = found.add_adapter(V2, "rated", MILLION // 20)
    limits = book(found, ACME)
    row = TieredMarket(id=rated.lower(), chain="katana", tier=2, pair="Aave USDC")
    here = DrilledMorpho(tmp_path, found, book=replace(limits, tiers={**limits.tiers, ("katana", row.id): row}))

    run = here.run()

    assert (list(run), dict(run.unknown)) == ([], {})


def test_a_vault_v2_may_have_more_than_it_reports_and_not_less(tmp_path: Path) -> None:
    found, _ = with_markets("ids")
    here = DrilledMorpho(tmp_path, found, book=book(found, ACME))

    found.reported[V2] = 9 * MILLION // 10
    more = here.run()
    found.reported[V2] = 11 * MILLION // 10
    less = here.run()

    assert said(more, "accounted") == []
    assert [severity for _, severity, _ in said(less, "accounted")] == ["MEDIUM"]


def test_an_adapter_of_another_vault_is_no_data(tmp_path: Path) -> None:
    found, adapter = with_markets("ids")
    found.adapters[adapter]["", "parentVault()(address)"] = VAULT
    here = DrilledMorpho(tmp_path, found, book=book(found, ACME))

    run = here.run()

    assert len(run.unknown) == 6
    assert "names another vault" in run.unknown["allocation/747474/Acme V2"]


def test_an_adapter_that_does_not_answer_is_no_data_and_no_strange_adapter(tmp_path: Path) -> None:
    found, adapter = with_markets("ids")
    found.adapters[adapter]["", "realAssets()(uint256)"] = MILLION
    here = DrilledMorpho(tmp_path, found, book=book(found, ACME))
    found.more[adapter, "realAssets()(uint256)"] = Reverts("paused")
    found.more[V2, "totalAssets()(uint256)"] = MILLION

    run = here.run()

    assert said(run, "untiered") == []
    assert "paused" in run.unknown["untiered/747474/Acme V2"]


def test_a_vault_v2_of_which_nothing_can_be_withdrawn_fires(tmp_path: Path) -> None:
    found, _ = with_markets("params")
    found.idle[V2] = 0
    for name in ("safe", "fair"):
        found.markets[name].borrowed = found.markets[name].supplied
    here = DrilledMorpho(tmp_path, found, book=book(found, ACME))

    title = "Acme V2 on Katana: only 0% can be withdrawn at once"
    assert said(here.run(), "liquidity") == [("fired", "LOW", title)]


def test_one_market_through_two_adapters_is_one_share(tmp_path: Path) -> None:
    found, _ = with_markets("ids")
    second = found.add_adapter(V2, "second", 3 * MILLION // 10, "params", ("fair",))
    found.lend(second, "fair", 3 * MILLION // 10)
    here = DrilledMorpho(tmp_path, found, book=book(found, ACME))

    (fired,) = (one for one in here.run() if one.check.startswith("allocation"))

    assert "LBTC/USDC 30.77% (tier 2, limit 30%)" in fired.text  # 4 of 13
