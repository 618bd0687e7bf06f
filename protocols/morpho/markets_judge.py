"""What a Morpho vault's holdings come to: its shares by market, its weighted risk, what can be withdrawn, its bad debt.

Pure: everything here is made of what was read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from monitoring.base.formatting import format_pct
from protocols.morpho.markets_api import Debt
from protocols.morpho.markets_data import Book
from protocols.morpho.markets_model import Market, VaultState
from utils.monitor import Unknown

_MOST_APART = Fraction(5, 100)  # between what the service and the chain say is borrowed
_SAFEST = 1
_SHOWN, _IN_A_LINE = 6, 3


@dataclass(frozen=True, slots=True)
class Share:
    """What a vault has in one market, or in an adapter of a kind that is not known, as a share of the whole vault.

    `available` of `amount` can be withdrawn at once. `market` is None for what lies in an adapter.
    """

    name: str
    id: str
    amount: int
    share: Fraction
    tier: int
    limit: Fraction
    is_known: bool
    available: int
    market: Market | None = None

    @property
    def excess(self) -> Fraction:
        return max(Fraction(0), self.share - self.limit)

    @property
    def tier_in_words(self) -> str:
        return f"tier {self.tier}" if self.is_known else f"no tier, counts as {self.tier}"


def shares_of(state: VaultState, book: Book, names: Mapping[str, str]) -> list[Share]:
    """Return the shares of a vault that has something, the largest first; `names` are of markets without a tier."""
    if not state.total:
        return []
    amounts: dict[str, int] = {}
    markets: dict[str, Market] = {}
    for one in state.holdings:
        amounts[one.market.id] = amounts.get(one.market.id, 0) + one.amount
        markets[one.market.id] = one.market
    found = [_of_market(state, book, names, markets[market], amount) for market, amount in amounts.items()]
    found += [_of_adapter(state, book, address, assets) for address, assets in state.strange.items() if assets]
    return sorted(found, key=lambda one: (-one.share, one.id))


def _of_market(state: VaultState, book: Book, names: Mapping[str, str], market: Market, amount: int) -> Share:
    tiered, level = book.tiers.get((market.chain, market.id)), state.vault.risk_level
    tier = _SAFEST if market.is_idle else tiered.tier if tiered else book.limits.unknown_tier
    name = "idle" if market.is_idle else tiered.pair if tiered else names.get(market.id, f"market {market.id[:10]}…")
    return Share(
        name, market.id, amount, Fraction(amount, state.total), tier, book.limits.share_of(tier, level),
        is_known=market.is_idle or tiered is not None,
        available=amount if market.is_idle else min(amount, market.available), market=market,
    )  # fmt: skip


def _of_adapter(state: VaultState, book: Book, address: str, amount: int) -> Share:
    rated = book.tiers.get((state.vault.chain, address.lower()))
    tier = rated.tier if rated else book.limits.unknown_tier
    return Share(
        rated.pair if rated else f"adapter {address}", address, amount, Fraction(amount, state.total), tier,
        book.limits.share_of(tier, state.vault.risk_level), is_known=rated is not None, available=0,
    )  # fmt: skip


def excess_of(shares: Iterable[Share]) -> Fraction:
    """Return the share of the vault that lies in markets beyond their limits."""
    return sum((one.excess for one in shares), Fraction(0))


def risk_of(state: VaultState, shares: Iterable[Share]) -> Fraction:
    """Return the sum of share times tier; what is idle counts as the safest tier, so that it is never below one."""
    return sum((one.share * one.tier for one in shares), Fraction(state.idle * _SAFEST, state.total))


def liquid_of(state: VaultState, shares: Iterable[Share]) -> Fraction:
    """Return the share of a vault that can be withdrawn at once."""
    return Fraction(state.idle + sum(one.available for one in shares), state.total)


def bad_debt_of(one: Share, debts: Mapping[str, Debt | Unknown]) -> Fraction | Unknown:
    """Return a market's bad debt as a share of what the chain says is borrowed there.

    Unknown as well where the service is far from the chain: then its bad debt is of another time.
    """
    market = one.market
    if market is None or market.is_idle:
        return Fraction(0)
    found = debts.get(market.id, Unknown(f"the bad debt of {one.name} was not asked for"))
    if isinstance(found, Unknown):
        return found
    if abs(found.borrowed - market.borrowed) > _MOST_APART * market.borrowed:
        return Unknown(
            f"api.morpho.org: it is out of date about {one.name}: the chain has another amount borrowed there",
            "api.morpho.org",
        )
    if not market.borrowed:
        return Fraction(0)
    return found.bad / market.borrowed


def shown_limits(shares: Iterable[Share]) -> dict[str, str]:
    """Return the markets beyond their limits, as an alert shows them."""
    return _named(
        (one, f"{format_pct(one.share)} ({one.tier_in_words}, limit {format_pct(one.limit)})")
        for one in sorted(shares, key=lambda one: -one.excess)
        if one.excess
    )


def shown_risk(shares: Iterable[Share]) -> dict[str, str]:
    """Return the markets that add most to the weighted risk."""
    return _named(
        (one, f"{format_pct(one.share)} ({one.tier_in_words})")
        for one in sorted(shares, key=lambda one: -one.share * one.tier)
    )


def named_shares(shares: Sequence[Share]) -> str:
    """Return markets with their shares in one line; their ids are listed by who asks."""
    more = f" and {len(shares) - _IN_A_LINE} more" if len(shares) > _IN_A_LINE else ""
    return ", ".join(f"{one.name} ({format_pct(one.share)})" for one in shares[:_IN_A_LINE]) + more


def shown_debts(found: Iterable[tuple[Share, Fraction]]) -> dict[str, str]:
    """Return markets with their bad debt, the worst first."""
    return _named(
        (one, f"{format_pct(ratio)} bad debt, {format_pct(one.share)} of the vault")
        for one, ratio in sorted(found, key=lambda pair: -pair[1])
    )


def _named(pairs: Iterable[tuple[Share, str]]) -> dict[str, str]:
    """Give each market a name of its own: several markets may have one pair."""
    named: dict[str, str] = {}
    left = 0
    for one, words in pairs:
        if len(named) == _SHOWN:
            left += 1
            continue
        named[one.name if one.name not in named else f"{one.name} {one.id[:10]}…"] = words
    return {**named, "and": f"{left} more"} if left else named
