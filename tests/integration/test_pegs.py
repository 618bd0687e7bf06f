"""The shipped monitors of pegs, read as a run reads them: a simulated chain and recorded prices below the reader."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from monitoring.alerts.message.render import render_plain
from monitoring.checks.builtin import TYPES
from monitoring.checks.config.load import load_monitor
from monitoring.checks.drill.rehearsal import StoppedClock
from monitoring.checks.engine.evaluate import Evaluation, evaluate
from monitoring.checks.engine.point import EvaluationPoint
from monitoring.checks.recorded.sim_chain import Reverts, SimChain
from monitoring.conditions.outcome import Outcome, Reason
from tests.integration.test_prices import DECIMALS, LATEST, Market, coin
from tests.support.drills import PROTOCOLS

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
PEGS, FLOORS, AGAINST_MARKET = (PROTOCOLS / "pegs" / name for name in ("monitor.yaml", "floors.yaml", "market.yaml"))
FEEDS = load_monitor(PEGS, TYPES).rows
ROWS: dict[str, Mapping[str, Any]] = {str(row["pair"]): row for row in (FEEDS.rows if FEEDS else ())}
BITCOIN = 100_000


def round_of(answer: int, *, number: int = 1000, age_s: int = 3600, updated: int | None = None) -> tuple[int, ...]:
    at = int(NOW.timestamp()) - age_s if updated is None else updated
    return number, answer, at, at, number


def usual(pair: str) -> int:
    return BITCOIN * 10**8 if pair in ("BTC/USD", "cbBTC/USD") else 10**8


def feeds(changes: Mapping[str, Any] | None = None, decimals: Mapping[str, Any] | None = None) -> SimChain:
    """Return a chain on which every feed is well, with the rounds and decimals of some pairs changed."""
    calls: dict[tuple[str, str], Any] = {}
    for pair, row in ROWS.items():
        calls[row["feed"], LATEST] = (changes or {}).get(pair, round_of(usual(pair)))
        calls[row["feed"], DECIMALS] = (decimals or {}).get(pair, 8)
    return SimChain(calls)


def judged(path: Path, chain: SimChain, market: Market | None = None) -> Evaluation:
    fetch = market or Market(lambda key: None)
    fetch.chain = chain
    environ = dict(chain.environ)
    at = EvaluationPoint(environ, StoppedClock(NOW), fetch=fetch, sleep=lambda _: None)
    return evaluate([load_monitor(path, TYPES)], at)


def outcomes(found: Evaluation) -> dict[str, Outcome]:
    return {f"{one.seen.key.check}/{one.seen.key.subject}": one.seen.outcome for one in found.checks}


def fired(found: Evaluation) -> dict[str, str]:
    return {
        key: one.transition.severity.name.lower() for key, one in outcomes(found).items() if one.transition is not None
    }


def prices(changes: Mapping[str, Any] | None = None) -> Market:
    """Return a market in which everything is at its peg, with the rows of some keys changed (by name of the asset)."""
    keys = {"coingecko:bitcoin": "BTC"}
    keys |= {f"ethereum:{row['token']}".lower(): pair.partition("/")[0] for pair, row in ROWS.items()}

    def row(key: str) -> Any:
        name = keys[key.lower()]
        return (changes or {}).get(name, coin(BITCOIN if "BTC" in name else 1))

    return Market(row)


def test_all_feeds_are_read_in_one_multicall_and_are_well() -> None:
    chain = feeds()
    found = judged(PEGS, chain)
    assert fired(found) == {}
    assert {one.reason for one in outcomes(found).values()} <= {Reason.GOOD, Reason.SEEDED, Reason.DOES_NOT_APPLY}
    assert len(found.readings.passes) == 1, "decimals() comes with the answers"


@pytest.mark.parametrize("pair", ROWS)
def test_a_feed_whose_round_was_never_completed_is_critical_and_not_merely_stale(pair: str) -> None:
    found = judged(PEGS, feeds({pair: round_of(usual(pair), updated=0)}))
    wrong = fired(found)
    assert wrong[f"incomplete/{pair}"] == "critical"
    assert f"stale/{pair}" not in wrong


@pytest.mark.parametrize("pair", ROWS)
def test_each_feed_is_stale_after_its_own_heartbeat(pair: str) -> None:
    limit = ROWS[pair]["stale_after"]
    assert limit == 24 * 3600 + 600
    assert fired(judged(PEGS, feeds({pair: round_of(usual(pair), age_s=limit)}))) == {}
    found = judged(PEGS, feeds({pair: round_of(usual(pair), age_s=limit + 1)}))
    assert fired(found) == {f"stale/{pair}": "high"}


def test_a_depeg_is_reported_with_the_first_reading_and_names_its_asset() -> None:
    found = judged(PEGS, feeds({"USDe/USD": round_of(96_999_999)}))
    assert fired(found) == {"peg/USDe/USD": "high"}
    (alert,) = [one.composed.alert for one in found.checks if one.composed]
    assert (alert.protocol, alert.channel) == ("ethena", "ethena")
    assert render_plain(alert, now=NOW).startswith("🚨 HIGH ethena: USDe/USD: depegged")


def test_an_answer_is_scaled_by_what_the_feed_says_of_itself() -> None:
    eighteen = judged(PEGS, feeds({"USDC/USD": round_of(10**18)}, {"USDC/USD": 18}))
    assert fired(eighteen) == {}
    changed = judged(PEGS, feeds({"USDC/USD": round_of(10**8)}, {"USDC/USD": 18}))
    assert fired(changed) == {"peg/USDC/USD": "high"}


@pytest.mark.parametrize("decimals", [Reverts("no such view"), 255])
def test_without_decimals_only_the_peg_has_no_data(decimals: Any) -> None:
    found = outcomes(judged(PEGS, feeds(decimals={"USDC/USD": decimals})))
    unknown = {key for key, one in found.items() if one.reason is Reason.UNKNOWN}
    assert unknown == {"peg/USDC/USD"}


# Against the market


@pytest.mark.parametrize(
    ("name", "pair", "allowed"),
    [
        ("USDC", "USDC/USD", 0.005), ("USDT", "USDT/USD", 0.005), ("USDS", "USDS/USD", 0.0055),
        ("USDe", "USDe/USD", 0.0075), ("WBTC", "WBTC/BTC", 0.0075), ("LBTC", "LBTC/BTC", 0.0075),
        ("cbBTC", "cbBTC/USD", 0.025),
    ],
)  # fmt: skip
def test_a_feed_within_its_band_is_quiet_and_beyond_it_is_reported(name: str, pair: str, allowed: float) -> None:
    dollars = BITCOIN if "BTC" in name else 1
    for factor, wrong in (
        (1 / (1 + allowed * 0.99), {}),
        (1 / (1 - allowed * 0.99), {}),
        (1 / (1 + allowed * 1.01), {f"divergence/{pair}": "high"}),
        (1 / (1 - allowed * 1.01), {f"divergence/{pair}": "high"}),
    ):
        assert fired(judged(AGAINST_MARKET, feeds(), prices({name: coin(dollars * factor)}))) == wrong


def test_an_alert_has_both_prices_and_where_the_market_s_is_from() -> None:
    found = judged(AGAINST_MARKET, feeds(), prices({"USDC": coin(0.98)}))
    (alert,) = [one.composed.alert for one in found.checks if one.composed]
    text = render_plain(alert, now=NOW)
    assert "HIGH circle: USDC/USD: price feed and market differ" in text
    assert "$1" in text
    assert "$0.98" in text
    assert "2.04% apart" in text
    assert "defillama at 2026-11-24 11:55 UTC" in text


def test_a_missing_market_price_spoils_only_its_own_comparison() -> None:
    found = outcomes(judged(AGAINST_MARKET, feeds(), prices({"USDC": None, "USDT": coin(1, age=timedelta(hours=3))})))
    assert {key for key, one in found.items() if one.reason is Reason.UNKNOWN} == {
        "divergence/USDC/USD", "divergence/USDT/USD",
    }  # fmt: skip


def test_without_bitcoin_s_price_feeds_in_bitcoin_have_no_data() -> None:
    found = outcomes(judged(AGAINST_MARKET, feeds(), prices({"BTC": None})))
    assert {key for key, one in found.items() if one.reason is Reason.UNKNOWN} == {
        "divergence/WBTC/BTC", "divergence/LBTC/BTC", "divergence/BTC/USD",
    }  # fmt: skip


def test_a_feed_in_bitcoin_is_held_against_the_token_s_dollars() -> None:
    found = judged(AGAINST_MARKET, feeds({"LBTC/BTC": round_of(104_000_000)}), prices({"LBTC": coin(104_000)}))
    assert fired(found) == {}, "an exchange rate above one is no divergence where the market agrees"


@pytest.mark.parametrize("path", [FLOORS, AGAINST_MARKET])
def test_a_price_counts_for_two_hours(path: Path) -> None:
    """DeFiLlama writes tokens that are not listed once an hour; less would often be no data."""
    for age, is_read in ((timedelta(hours=2), True), (timedelta(hours=2, minutes=1), False)):
        found = outcomes(judged(path, feeds(), Market(lambda _, age=age: coin(20, age=age))))
        found.pop("floor/USDe", None)  # whose feed answers
        assert {one.reason is not Reason.UNKNOWN for one in found.values()} == {is_read}


# Floors


def test_floors_are_one_request_and_ask_no_chain_while_there_are_prices() -> None:
    market = Market(lambda key: coin(BITCOIN if key == "coingecko:bitcoin" or "cbB7" in key else 20))
    at = EvaluationPoint({}, StoppedClock(NOW), fetch=market, sleep=lambda _: None)
    found = evaluate([load_monitor(FLOORS, TYPES)], at)
    assert {one.reason for one in outcomes(found).values()} == {Reason.GOOD}
    assert len(market.asked) == 1


def test_a_floor_that_is_missed_names_its_protocol_and_goes_to_its_chat() -> None:
    market = Market(lambda key: coin(BITCOIN if key == "coingecko:bitcoin" or "cbB7" in key else 1.05))
    at = EvaluationPoint({}, StoppedClock(NOW), fetch=market, sleep=lambda _: None)
    found = evaluate([load_monitor(FLOORS, TYPES)], at)
    alerts = [one.composed.alert for one in found.checks if one.composed]
    assert sorted((one.protocol, one.channel, one.severity.name) for one in alerts) == [
        ("ethena", "ethena", "CRITICAL"), ("maple", "maple", "CRITICAL"), ("maple", "maple", "CRITICAL"),
        ("ustb", "ustb", "CRITICAL"),
    ]  # fmt: skip
    text = render_plain(next(one for one in alerts if one.protocol == "ustb"), now=NOW)
    assert "USTB: market price is below its floor" in text
    assert "$1.05" in text
    assert "$10.5" in text


def test_where_defillama_is_silent_usde_is_read_from_its_feed_and_the_others_have_no_data() -> None:
    market = Market(lambda _: None)
    row = ROWS["USDe/USD"]
    chain = SimChain({(row["feed"], LATEST): round_of(96_000_000), (row["feed"], DECIMALS): 8})
    market.chain = chain
    at = EvaluationPoint(dict(chain.environ), StoppedClock(NOW), fetch=market, sleep=lambda _: None)
    found = evaluate([load_monitor(FLOORS, TYPES)], at)
    assert fired(found) == {"floor/USDe": "critical"}
    assert sum(one.reason is Reason.UNKNOWN for one in outcomes(found).values()) == 6
