"""Drills of markets.py: each check fires, worsens, recovers, is quiet, has no data, and meets answers that are wrong.

The answers of Morpho's service are written from its schema and marked `unconfirmed` where they are made.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from protocols.morpho.markets_data import Book, TieredMarket, UnwindMarket, WatchedVault, load
from protocols.morpho.markets_simulated import DrilledMorpho, SimMarket, SimMorpho, address
from utils.testing import Reverts, Run

VAULT, OTHER, V2 = address("vault"), address("another vault"), address("vault v2")
UNIT = 10**6
MILLION = 10**6 * UNIT


def morpho(chain: str = "katana") -> SimMorpho:
    """Return a vault of one million with 90% in a market of tier 1, 7% in one of tier 2 and 3% in one of tier 3."""
    found = SimMorpho(chain)
    found.markets = {
        "safe": SimMarket("WBTC", "USDC"),
        "fair": SimMarket("LBTC", "USDC"),
        "risky": SimMarket("siUSD", "USDC"),
        "odd": SimMarket("NEW", "USDC"),
        "idle": SimMarket("", "USDC"),
    }
    found.tokens = {name: (name, 6) for name in ("USDC", "WBTC", "LBTC", "siUSD", "NEW")}
    found.prices = {"USDC": 1}
    found.v1, found.asset = {VAULT: ["safe", "fair", "risky", "odd", "idle"]}, {VAULT: "USDC"}
    for name, share in (("safe", 90), ("fair", 7), ("risky", 3)):
        found.lend(VAULT, name, share * MILLION // 100)
        found.markets[name].borrowed = share * MILLION // 200
    return found


def book(found: SimMorpho, *vaults: WatchedVault, unwind: tuple[UnwindMarket, ...] = ()) -> Book:
    """Return the shipped limits for vaults of one chain; the market `odd` has no tier."""
    tiers = {
        (found.chain, found.markets[name].id): TieredMarket(
            id=found.markets[name].id, chain=found.chain, tier=tier, pair=f"{found.markets[name].collateral}/USDC"
        )
        for name, tier in (("safe", 1), ("fair", 2), ("risky", 3))
    }
    watched = vaults or (WatchedVault(name="Acme", chain=found.chain, address=VAULT, risk_level=1),)
    return replace(load(), vaults=watched, tiers=tiers, unwind=unwind)


def world(store: Path, found: SimMorpho | None = None, *vaults: WatchedVault) -> tuple[DrilledMorpho, SimMorpho]:
    found = found or morpho()
    return DrilledMorpho(store, found, book=book(found, *vaults)), found


def said(run: Run, check: str) -> list[tuple[str, str, str]]:
    """Return what was reported of one check."""
    return [(one.kind, one.severity, one.title) for one in run if one.check.startswith(f"{check}/")]


def test_a_vault_within_its_limits_is_quiet_and_costs_no_price(tmp_path: Path) -> None:
    here, _ = world(tmp_path)

    first = here.run()

    assert (list(first), dict(first.unknown), first.code) == ([], {}, 0)
    assert set(first.states) == {
        f"{check}/747474/Acme V1" for check in ("allocation", "risk", "bad-debt", "liquidity", "untiered", "accounted")
    }
    assert set(first.states.values()) == {"ok"}
    assert "price" not in here.asked


def test_too_much_in_a_market_fires_worsens_with_another_market_and_recovers(tmp_path: Path) -> None:
    here, found = world(tmp_path)
    here.run()

    found.lend(VAULT, "risky", 17 * MILLION // 100)
    fired = here.run()
    found.lend(VAULT, "fair", 100 * MILLION // 100)
    worse = here.run()
    quiet = here.run()
    found.lend(VAULT, "fair", 7 * MILLION // 100)
    found.lend(VAULT, "risky", 3 * MILLION // 100)
    over = here.run()

    assert said(fired, "allocation") == [("fired", "HIGH", "Acme V1 on Katana holds 4.91% beyond its market limits")]
    assert [(kind, severity) for kind, severity, _ in said(worse, "allocation")] == [("worsened", "HIGH")]
    assert [kind for kind, _, _ in said(over, "allocation")] == ["recovered"]
    assert list(quiet) == []
    (first,), (second,) = ([one.text for one in run if one.check.startswith("allocation")] for run in (fired, worse))
    assert "siUSD/USDC 14.91% (tier 3, limit 10%)" in first
    assert f"https://app.morpho.org/katana/vault/{VAULT}" in first
    assert "LBTC/USDC 48.31% (tier 2, limit 30%)" in second  # one message for a vault, whatever it exceeds


def test_a_vault_that_may_take_risk_is_judged_a_tier_safer(tmp_path: Path) -> None:
    found = morpho()
    here, _ = world(tmp_path, found, WatchedVault(name="Acme", chain="katana", address=VAULT, risk_level=2))
    found.lend(VAULT, "risky", 40 * MILLION // 100)
    assert said(here.run(), "allocation") == []  # 29.2%, and tier 3 counts as tier 2

    found.lend(VAULT, "risky", 45 * MILLION // 100)
    (fired,) = (one for one in here.run() if one.check.startswith("allocation"))

    assert "(tier 3, limit 30%)" in fired.text


def test_the_weighted_risk_of_a_vault_fires_worsens_and_recovers(tmp_path: Path) -> None:
    here, found = world(tmp_path)
    here.run()

    found.lend(VAULT, "fair", 20 * MILLION // 100)  # 90 + 2 * 20 + 3 * 3, over 113
    fired = here.run()
    found.lend(VAULT, "fair", 40 * MILLION // 100)
    worse = here.run()
    found.lend(VAULT, "fair", 2 * MILLION // 100)
    over = here.run()

    title = "Acme V1 on Katana has a weighted risk of 1.2301, more than 1.15 (risk level 1)"
    assert said(fired, "risk") == [("fired", "MEDIUM", title)]
    assert [(kind, severity) for kind, severity, _ in said(worse, "risk")] == [("worsened", "MEDIUM")]
    assert [kind for kind, _, _ in said(over, "risk")] == ["recovered"]


def test_bad_debt_fires_worsens_and_recovers_by_the_worst_market_of_a_vault(tmp_path: Path) -> None:
    here, found = world(tmp_path)
    here.run()
    market = found.markets["fair"]  # 35,000 are borrowed in it

    market.bad_debt = market.borrowed // 100
    fired = here.run()
    market.bad_debt = market.borrowed // 10
    worse = here.run()
    market.bad_debt = market.borrowed // 200
    over = here.run()

    title = "Acme V1 on Katana lends in a market with 1% of its loans as bad debt"
    assert said(fired, "bad-debt") == [("fired", "HIGH", title)]
    assert "LBTC/USDC 1% bad debt, 7% of the vault" in next(one.text for one in fired)
    assert [kind for kind, _, _ in said(worse, "bad-debt")] == ["worsened"]
    assert [kind for kind, _, _ in said(over, "bad-debt")] == ["recovered"]  # exactly at the limit is well


def test_bad_debt_that_is_null_left_out_or_out_of_date_is_no_data_and_never_zero(tmp_path: Path) -> None:
    here, found = world(tmp_path)
    market, key = found.markets["safe"], "bad-debt/747474/Acme V1"
    reasons = []

    market.bad_debt = None
    reasons.append(here.run().unknown[key])
    market.bad_debt, market.indexed = 0, market.borrowed * 2
    reasons.append(here.run().unknown[key])
    market.indexed = None
    found.answer = lambda _, body: body["data"]["markets"]["items"].pop(0) and body
    reasons.append(here.run().unknown[key])
    found.answer = lambda _, __: {"data": {"markets": {"items": "many"}}}
    reasons.append(here.run().unknown[key])
    found.answer = None
    last = here.run()

    assert [reason.removeprefix("api.morpho.org: ")[:30] for reason in reasons] == [
        "badDebt.underlying is missing"[:30], "it is out of date about WBTC/U", "the answer leaves out market 0",
        "markets.items is no list of ob",
    ]  # fmt: skip
    assert dict(last.unknown) == {}


def test_a_known_bad_debt_counts_although_another_market_has_no_data(tmp_path: Path) -> None:
    here, found = world(tmp_path)
    found.markets["safe"].bad_debt, found.markets["fair"].bad_debt = None, found.markets["fair"].borrowed // 10

    assert [kind for kind, _, _ in said(here.run(), "bad-debt")] == ["fired"]


def test_a_field_that_was_retired_loses_one_check_and_the_next_name_of_a_filter_is_tried(tmp_path: Path) -> None:
    here, found = world(tmp_path)
    asked: list[str] = []

    def retired(question: Any, body: Any, name: str) -> Any:
        asked.append(question["query"])
        gone = f'Cannot query field "{name}" on type "Market".'
        return {"errors": [{"message": gone, "extensions": {"code": "X"}}]} if name in question["query"] else body

    found.answer = lambda question, body: retired(question, body, "badDebt")
    blind = here.run()
    found.answer = lambda question, body: retired(question, body, "uniqueKey_in")
    seen = here.run()

    assert list(blind.unknown) == ["bad-debt/747474/Acme V1"]
    assert 'Cannot query field "badDebt"' in blind.unknown["bad-debt/747474/Acme V1"]
    assert dict(seen.unknown) == {}
    assert ["marketId_in" in query for query in asked] == [False, True, False, True]


def test_a_service_that_is_down_leaves_everything_else_judged(tmp_path: Path) -> None:
    here, found = world(tmp_path)
    here.down = {"service", "prices"}
    found.lend(VAULT, "risky", 17 * MILLION // 100)

    run = here.run()

    assert list(run.unknown) == ["bad-debt/747474/Acme V1"]
    assert [kind for kind, _, _ in said(run, "allocation")] == ["fired"]  # nor does a missing price hide a breach


def test_a_vault_of_which_nearly_nothing_can_be_withdrawn_fires_and_recovers(tmp_path: Path) -> None:
    here, found = world(tmp_path)
    here.run()

    for name in ("safe", "fair", "risky"):
        found.markets[name].borrowed = found.markets[name].supplied - 1000 * UNIT
    fired = here.run()
    found.markets["safe"].borrowed -= 9_000 * UNIT  # 1.2%: not yet above twice the limit
    swaying = here.run()
    found.markets["safe"].borrowed -= 90_000 * UNIT
    over = here.run()

    title = "Acme V1 on Katana: only 0.3% can be withdrawn at once"
    assert said(fired, "liquidity") == [("fired", "LOW", title)]
    assert said(swaying, "liquidity") == []
    assert [kind for kind, _, _ in said(over, "liquidity")] == ["recovered"]


def test_what_lies_in_a_market_without_loans_can_be_withdrawn_and_is_as_safe_as_can_be(tmp_path: Path) -> None:
    here, found = world(tmp_path)
    found.lend(VAULT, "safe", 0)
    found.lend(VAULT, "idle", 90 * MILLION // 100)
    for name in ("fair", "risky"):
        found.markets[name].borrowed = found.markets[name].supplied

    run = here.run()

    assert (list(run), dict(run.unknown)) == ([], {})


def test_a_market_without_a_tier_is_named_counts_as_the_riskiest_and_is_over_when_it_is_left(tmp_path: Path) -> None:
    here, found = world(tmp_path)
    here.run()

    found.lend(VAULT, "odd", 2 * MILLION // 100)
    fired = here.run()
    quiet = here.run()
    found.lend(VAULT, "odd", 0)
    over = here.run()

    title = "Acme V1 on Katana lends in a market without a risk tier: NEW/USDC (1.96%)"
    assert said(fired, "untiered") == [("fired", "MEDIUM", title)]
    assert found.markets["odd"].id in next(one.text for one in fired if one.check.startswith("untiered"))
    (excess,) = (one for one in fired if one.check.startswith("allocation"))
    assert "NEW/USDC 1.96% (no tier, counts as 5, limit 1%)" in excess.text
    assert list(quiet) == []
    assert [kind for kind, _, _ in said(over, "untiered")] == ["recovered"]


def test_a_market_whose_tokens_have_no_name_is_named_by_its_id(tmp_path: Path) -> None:
    here, found = world(tmp_path)
    found.tokens.pop("NEW")
    found.lend(VAULT, "odd", 2 * MILLION // 100)

    (fired,) = said(here.run(), "untiered")

    assert fired[2].endswith(f"without a risk tier: market {found.markets['odd'].id[:10]}… (1.96%)")


def test_a_vault_that_reports_more_than_its_markets_hold_is_said(tmp_path: Path) -> None:
    here, found = world(tmp_path)
    here.run()

    found.reported[VAULT] = 102 * MILLION // 100
    fired = here.run()
    found.reported.clear()
    over = here.run()

    assert said(fired, "accounted") == [
        ("fired", "MEDIUM", "Acme V1 on Katana reports another total than its markets hold")
    ]
    assert [kind for kind, _, _ in said(over, "accounted")] == ["recovered"]


def test_a_small_vault_is_ignored_if_its_price_is_known_and_reported_if_not(tmp_path: Path) -> None:
    here, found = world(tmp_path)
    for name, amount in (("safe", 0), ("fair", 0), ("risky", 9_000 * UNIT)):
        found.lend(VAULT, name, amount)
        found.markets[name].borrowed = amount
    found.markets["risky"].bad_debt = 9_000 * UNIT

    ignored = here.run()
    found.prices.clear()
    reported = here.run()

    assert (list(ignored), dict(ignored.unknown)) == ([], {})
    assert here.asked.count("price") == 1  # of one token once a run, and only for what would be reported
    assert {one.check.partition("/")[0] for one in reported} == {"allocation", "risk", "bad-debt", "liquidity"}


def test_a_vault_with_nothing_in_it_is_judged_by_nothing(tmp_path: Path) -> None:
    here, found = world(tmp_path)
    for name in ("safe", "fair", "risky"):
        found.lend(VAULT, name, 0)

    run = here.run()

    assert (list(run), dict(run.unknown)) == ([], {})


def test_a_chain_that_cannot_be_read_is_no_data_and_ends_nothing(tmp_path: Path) -> None:
    here, found = world(tmp_path)
    found.lend(VAULT, "risky", 17 * MILLION // 100)
    here.run()

    here.down = {"katana"}
    blind = here.run()
    here.down = set()
    again = here.run()

    assert len(blind.unknown) == 6
    assert said(blind, "allocation") == said(again, "allocation") == []
    assert blind.states["allocation/747474/Acme V1"] == "firing"


def test_a_configured_vault_that_is_not_there_loses_only_itself(tmp_path: Path) -> None:
    vaults = (
        WatchedVault(name="Acme", chain="katana", address=VAULT, risk_level=1),
        WatchedVault(name="Gone", chain="katana", address=OTHER, risk_level=1),
    )
    here, _ = world(tmp_path, None, *vaults)

    run = here.run()

    assert {key.rpartition("/")[2] for key in run.unknown} == {"Gone V1"}
    assert "no such contract or function" in run.unknown["allocation/747474/Gone V1"]


def test_a_queue_that_is_no_queue_is_no_data(tmp_path: Path) -> None:
    here, found = world(tmp_path)

    found.more[VAULT, "withdrawQueueLength()(uint256)"] = 2**255
    absurd = here.run()
    found.more = {(VAULT, "withdrawQueue(uint256)(bytes32)"): Reverts("broken")}
    broken = here.run()
    found.more = {(VAULT, "withdrawQueue(uint256)(bytes32)"): bytes(32)}
    unknown = here.run()

    key = "allocation/747474/Acme V1"
    assert "entries, more than any vault" in absurd.unknown[key]
    assert "broken" in broken.unknown[key]
    assert "Morpho has no market 0x000" in unknown.unknown[key]
