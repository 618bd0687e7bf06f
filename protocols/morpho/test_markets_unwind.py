"""Drills of the unwind coverage: what a price shock puts up for sale against what can be withdrawn at once."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

from protocols.morpho.markets_data import UnwindMarket, WatchedVault, load
from protocols.morpho.markets_simulated import MORPHO, WAD, DrilledMorpho, SimMarket, SimMorpho, address
from protocols.morpho.test_markets import MILLION, OTHER, VAULT, book, morpho, said

KEY = "coverage/747474/USDC"
YEARN = "yvUSDC"
SAFE, BORROWER = address("prudent"), address("borrower")
ACME = WatchedVault(name="Acme", chain="katana", address=VAULT, risk_level=1, collateral_asset=address("USDC"))


def yearn(lltv: int = 86) -> tuple[SimMorpho, UnwindMarket]:
    """Return a market against a Yearn vault: a shock of 2% makes the debt of one of its two borrowers too large."""
    found = morpho()
    market = SimMarket(YEARN, "ETH", lltv * WAD // 100, supplied=MILLION, borrowed=MILLION // 2)
    owed = 250_000 * 10**6
    market.borrowers = {
        BORROWER.lower(): (owed, owed * 100 // lltv + MILLION // 1000),  # 0.4% above what is needed
        SAFE.lower(): (owed, 4 * owed),
    }
    found.markets["yearn"] = market
    found.tokens["ETH"] = ("ETH", 6)
    found.more = {
        (address(YEARN), "asset()(address)"): address("USDC"),
        (address(YEARN), "convertToAssets(uint256)(uint256)"): 11 * 10**17,  # a share is 1.1 of the asset
        (address(YEARN), "decimals()(uint8)"): 6,
    }
    for name in ("safe", "fair", "risky"):
        found.markets[name].borrowed = 0
    wanted = UnwindMarket(asset="USDC", asset_address=address("USDC"), chain="katana", id=market.id, morpho=MORPHO)
    return found, wanted


def world(store: Path, found: SimMorpho, wanted: UnwindMarket, *more: WatchedVault) -> DrilledMorpho:
    return DrilledMorpho(store, found, book=book(found, ACME, *more, unwind=(wanted,)))


def drain(found: SimMorpho, left: int) -> None:
    """Leave so much to be withdrawn from the vault."""
    for name in ("fair", "risky"):
        found.markets[name].borrowed = found.markets[name].supplied
    found.markets["safe"].borrowed = found.markets["safe"].supplied - left


def test_coverage_is_quiet_fires_worsens_and_recovers(tmp_path: Path) -> None:
    found, wanted = yearn()
    here = world(tmp_path, found, wanted)
    quiet = here.run()

    drain(found, 350_000 * 10**6)  # of 320,867 at risk: 291,697 shares of 1.1 each
    fired = here.run()
    drain(found, 100_000 * 10**6)
    worse = here.run()
    drain(found, 800_000 * 10**6)
    over = here.run()

    assert (list(quiet), dict(quiet.unknown)) == ([], {})
    assert "liquidity/747474/Acme V1" not in quiet.states  # the coverage says it better
    title = "Yearn USDC collateral on Morpho: 109.08% of what a price shock puts up for sale can be withdrawn at once"
    assert said(fired, "coverage") == [("fired", "HIGH", title)]
    assert "From: at risk if the price falls by 2% 320,867 USDC, can be withdrawn 350,000 USDC" in next(
        one.text for one in fired if one.check.startswith("coverage")
    )
    assert [kind for kind, _, _ in said(worse, "coverage")] == ["worsened"]
    assert [kind for kind, _, _ in said(over, "coverage")] == ["recovered"]


def test_the_shock_follows_the_loan_to_value_limit() -> None:
    falls = {86: 2, 94: 2, 85: 10, 78: 10, 77: 15, 62: 15}

    found = {lltv: load().limits.fall_at(Fraction(lltv, 100)) for lltv in falls}

    assert found == {lltv: Fraction(fall, 100) for lltv, fall in falls.items()}


def test_nothing_at_risk_or_too_little_is_not_judged(tmp_path: Path) -> None:
    found, wanted = yearn()
    here = world(tmp_path, found, wanted)
    drain(found, 0)
    market = found.markets["yearn"]

    market.borrowers[BORROWER.lower()] = (250_000 * 10**6, MILLION)
    none = here.run()
    market.borrowers |= {BORROWER.lower(): (249_000 * 10**6, MILLION), OTHER.lower(): (1_000 * 10**6, 1_163 * 10**6)}
    little = here.run()

    assert (said(none, "coverage"), said(little, "coverage")) == ([], [])
    assert KEY not in none.unknown
    assert KEY not in little.unknown


def test_a_market_in_which_little_is_borrowed_is_not_judged(tmp_path: Path) -> None:
    found, wanted = yearn()
    here = world(tmp_path, found, wanted)
    drain(found, 0)
    found.prices["ETH"] = "0.01"  # 500,000 borrowed are worth $5,000

    assert said(here.run(), "coverage") == []


def test_borrowers_that_the_service_does_not_know_are_no_data_but_a_breach_counts(tmp_path: Path) -> None:
    found, wanted = yearn()
    here = world(tmp_path, found, wanted)
    market = found.markets["yearn"]
    market.borrowed *= 2  # half of it by nobody who is known

    blind = here.run()
    drain(found, 0)
    fired = here.run()

    assert "it knows the borrowers of only 50% of what is borrowed" in blind.unknown[KEY]
    assert [kind for kind, _, _ in said(fired, "coverage")] == ["fired"]


def test_the_borrowers_of_every_page_are_read(tmp_path: Path) -> None:
    found, wanted = yearn()
    here = world(tmp_path, found, wanted)
    market, owed = found.markets["yearn"], 1_000 * 10**6
    market.borrowers = {address(f"borrower {place}").lower(): (owed, 4 * owed) for place in range(520)}
    market.borrowed = 520 * owed

    run = here.run()

    assert KEY not in run.unknown
    assert here.asked.count("service") == 3  # for bad debt, and two pages of borrowers


def test_an_answer_without_borrowers_a_wrong_collateral_and_a_market_that_is_not_there_are_no_data(
    tmp_path: Path,
) -> None:
    found, wanted = yearn()
    here = world(tmp_path, found, wanted)
    reasons: list[str] = []

    def positions(body: Any) -> Any:
        return {"errors": [{"message": "Unknown argument"}]} if "marketPositions" in body["data"] else body

    found.answer = lambda _, body: positions(body)
    reasons.append(here.run().unknown[KEY])
    found.answer = None
    found.more[address(YEARN), "asset()(address)"] = address("WBTC")
    reasons.append(here.run().unknown[KEY])
    del found.markets["yearn"]
    reasons.append(here.run().unknown[KEY])

    assert "Unknown argument" in reasons[0]
    assert f"is withdrawn as {address('WBTC')}" in reasons[1]
    assert "Morpho has no market" in reasons[2]


def test_a_vault_whose_part_is_unknown_is_no_data_unless_the_others_suffice(tmp_path: Path) -> None:
    gone = WatchedVault(name="Gone", chain="katana", address=OTHER, risk_level=1, collateral_asset=address("USDC"))
    found, wanted = yearn()
    here = world(tmp_path, found, wanted, gone)

    enough = here.run()
    drain(found, 0)
    blind = here.run()

    assert KEY not in enough.unknown
    assert "no such contract or function" in blind.unknown[KEY]


def test_what_two_vaults_have_in_one_place_is_withdrawn_once(tmp_path: Path) -> None:
    v2 = address("vault v2")
    found, wanted = yearn()
    found.asset[v2], found.idle[v2] = "USDC", 0
    adapter = found.add_adapter(v2, "adapter", MILLION, f"inner {VAULT}")
    found.shares[VAULT, adapter] = found.held(VAULT)  # all of the vault V1, which is counted itself
    both = WatchedVault(
        name="Acme V2", chain="katana", address=v2, risk_level=1, version=2, collateral_asset=address("USDC")
    )
    here = world(tmp_path, found, wanted, both)
    drain(found, 350_000 * 10**6)

    (fired,) = (one for one in here.run() if one.check.startswith("coverage"))

    assert "can be withdrawn 350,000 USDC" in fired.text
