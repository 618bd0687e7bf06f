"""Can the collateral of a market be sold when its price falls? For markets whose collateral is a Yearn vault.

A liquidator withdraws the collateral, and the Yearn vault withdraws it from the Morpho vaults it invests in. Morpho's
service is asked who borrows; what each has and owes is read from the chain, and must add up to the whole market.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from monitoring.base.formatting import format_pct
from protocols.morpho.markets_api import read_borrowers
from protocols.morpho.markets_data import Limits, UnwindMarket, WatchedVault
from protocols.morpho.markets_model import Market, VaultState
from protocols.morpho.markets_places import attempt, sure
from protocols.morpho.markets_read import read_markets
from protocols.morpho.markets_vault import Dollars
from utils.chain import Chain, Readings
from utils.monitor import HIGH, Context, Unknown, UnknownError, call, none

_PRICE_UNIT = 10**36  # of Morpho's oracles: loan units for one unit of collateral
_ONE_SHARE = 10**18  # enough digits for the rate of a vault whose shares have 6 decimals or 18
_ALL = Fraction(99, 100)  # of what is borrowed: with less of it found, nobody knows what is at risk


@dataclass(frozen=True, slots=True)
class AtRisk:
    """What a price shock puts up for sale, in the smallest unit of the asset; `seen` is the share of the debt found.

    `borrowed` is of the `loan` token, in its smallest unit.
    """

    assets: int
    decimals: int
    fall: Fraction
    borrowed: int
    loan: str
    loan_decimals: int
    seen: Fraction


def judge_unwind(
    m: Context,
    limits: Limits,
    wanted: Sequence[UnwindMarket],
    states: Mapping[WatchedVault, VaultState | Unknown],
    dollars: Dollars,
) -> None:
    """Judge each market of one chain; `states` are the vaults of this chain."""
    chain = wanted[0].chain
    risks = _read(m, chain, wanted, limits)
    for market in wanted:
        invested = [one for vault, one in states.items() if vault.collateral_asset == market.asset_address]
        liquid, blind = liquidity_of(invested)
        at_risk = risks[market.id]
        m.limit(
            f"coverage/{market.asset}", coverage(at_risk, liquid, blind, limits, market, dollars),
            below=limits.coverage, worse_by="0.25", severity=HIGH, chain=chain, note=f"See {market.page}",
            text=f"Yearn {market.asset} collateral on Morpho: {{value}} of what a price shock puts up for sale can be "
            "withdrawn at once",
            unit="%", inputs=shown(at_risk, liquid, market.asset), channel="curation", contract=market.morpho,
        )  # fmt: skip


def coverage(
    at_risk: AtRisk | Unknown,
    liquid: int,
    blind: Unknown | None,
    limits: Limits,
    market: UnwindMarket,
    dollars: Dollars,
) -> Any:  # noqa: ANN401 - a number, Unknown or none
    """Return what can be withdrawn over what is at risk. None where nothing is at risk, or too little to matter.

    What is not known never makes it better: with borrowers missing the real coverage is lower, with vaults missing
    it is higher, and it is only judged where that does not decide.
    """
    if isinstance(at_risk, Unknown):
        return at_risk
    found: Any = Fraction(liquid, at_risk.assets) if at_risk.assets else none
    breaches = found is not none and found < limits.coverage
    if breaches and blind is not None:
        return blind
    if breaches and not (
        dollars.is_small(market.chain, market.asset_address, at_risk.assets, at_risk.decimals)
        or dollars.is_small(market.chain, at_risk.loan, at_risk.borrowed, at_risk.loan_decimals)
    ):
        return found
    if at_risk.seen < _ALL:
        seen = format_pct(at_risk.seen)
        return Unknown(
            f"api.morpho.org: it knows the borrowers of only {seen} of what is borrowed against {market.asset}",
            "api.morpho.org",
        )
    return none if breaches else found


def liquidity_of(states: Iterable[VaultState | Unknown]) -> tuple[int, Unknown | None]:
    """Return what vaults of one asset can pay out at once together, and one whose part is not known.

    Vaults share markets, and a vault V2 may invest in a vault V1 that is counted itself: each position counts once,
    and of a market no more than it has.
    """
    idle, blind = 0, None
    parts: dict[tuple[str, str], Fraction] = {}
    positions: dict[tuple[str, str], int] = {}
    markets: dict[str, Market] = {}
    for state in states:
        if isinstance(state, Unknown):
            blind = state
            continue
        idle += state.idle
        for one in state.holdings:
            place = (one.market.id, one.holder.lower())
            markets[one.market.id], positions[place] = one.market, one.position
            parts[place] = min(Fraction(1), parts.get(place, Fraction(0)) + one.part)
    held: dict[str, int] = {}
    for (market, holder), part in parts.items():
        held[market] = held.get(market, 0) + int(part * positions[market, holder])
    available = (
        amount if markets[market].is_idle else min(amount, markets[market].available) for market, amount in held.items()
    )
    return idle + sum(available), blind


def shown(at_risk: AtRisk | Unknown, liquid: int, asset: str) -> dict[str, str]:
    """Return both sides in words."""
    if isinstance(at_risk, Unknown):
        return {}
    unit = 10**at_risk.decimals
    return {
        f"at risk if the price falls by {format_pct(at_risk.fall)}": f"{at_risk.assets // unit:,} {asset}",
        "can be withdrawn": f"{liquid // unit:,} {asset}",
    }


def _read(m: Context, name: str, wanted: Sequence[UnwindMarket], limits: Limits) -> dict[str, AtRisk | Unknown]:
    """Read what is at risk in each market."""
    chain = m.chain(name)
    markets = {
        row[1]: found for row, found in read_markets(chain, name, [(one.morpho, one.id) for one in wanted]).items()
    }
    known = [one for one in markets.values() if isinstance(one, Market)]
    prices = {one.id: found for one, found in _read_prices(chain, known)}
    borrowers = read_borrowers(m, name, [one.id for one in wanted])
    rows = [] if isinstance(borrowers, Unknown) else [(one, user) for one in known for user in borrowers[one.id]]
    read = chain.read_each(
        dict.fromkeys(rows),
        lambda row: {
            "position": call(row[0].morpho, "position(bytes32,address)(uint256,uint128,uint128)", row[0].id, row[1])
        },
    )
    positions: dict[str, list[Any]] = {one.id: [] for one in wanted}
    for (market, _), found in read:
        positions[market.id].append(found.position)
    return {
        one.id: attempt(_at_risk, one, markets[one.id], prices, borrowers, positions[one.id], limits) for one in wanted
    }


def _read_prices(chain: Chain, markets: Sequence[Market]) -> list[tuple[Market, Readings]]:
    return chain.read_each(
        markets,
        lambda one: {
            "price": call(one.oracle, "price()(uint256)"),
            "asset": call(one.collateral, "asset()(address)"),
            "rate": call(one.collateral, "convertToAssets(uint256)(uint256)", _ONE_SHARE),
            "decimals": call(one.collateral, "decimals()(uint8)"),
            "loan_decimals": call(one.loan, "decimals()(uint8)"),
        },
    )


def _at_risk(
    wanted: UnwindMarket,
    found: Market | Unknown,
    prices: Mapping[str, Readings],
    borrowers: Mapping[str, list[str]] | Unknown,
    positions: Sequence[Any],
    limits: Limits,
) -> AtRisk:
    market = sure(found)
    sure(borrowers)
    read, fall = prices[market.id], limits.fall_at(market.lltv)
    if sure(read.asset).lower() != wanted.asset_address.lower():
        raise UnknownError(Unknown(f"the collateral of {wanted.id} is withdrawn as {read.asset}", f"{wanted.id}"))
    price = Fraction(sure(read.price), _PRICE_UNIT) * (1 - fall)
    shares = seen = 0
    for _, owed_shares, collateral in (sure(one) for one in positions):
        seen += owed_shares
        if owed_shares and market.owed_for(owed_shares) > collateral * price * market.lltv:
            shares += collateral
    share_seen = Fraction(seen, market.borrow_shares) if market.borrow_shares else Fraction(1)
    assets = shares * sure(read.rate) // _ONE_SHARE
    return AtRisk(assets, sure(read.decimals), fall, market.borrowed, market.loan, sure(read.loan_decimals), share_seen)
