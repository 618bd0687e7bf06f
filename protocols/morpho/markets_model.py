"""What Morpho vaults hold: markets, holdings and vaults as they were read, exact, in the smallest unit of the token."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from monitoring.chains.abi.addresses import ZERO
from protocols.morpho.markets_data import WatchedVault

_VIRTUAL_SHARES = 10**6  # Morpho's own, against inflation of the share price


@dataclass(frozen=True, slots=True)
class Market:
    """A market of Morpho Blue as it was when last touched; amounts are in the smallest unit of the loan token."""

    chain: str
    morpho: str
    id: str
    loan: str
    collateral: str
    oracle: str
    lltv: Fraction
    supplied: int
    supply_shares: int
    borrowed: int
    borrow_shares: int

    @property
    def is_idle(self) -> bool:
        """Return whether nothing can be borrowed here: a vault keeps in it what it lends to nobody."""
        return self.collateral == ZERO

    @property
    def available(self) -> int:
        return max(0, self.supplied - self.borrowed)

    def owed_for(self, shares: int) -> int:
        """Return what a borrower of so many shares owes, rounded up as Morpho does."""
        return -(-shares * (self.borrowed + 1) // (self.borrow_shares + _VIRTUAL_SHARES))

    def worth_of(self, shares: int) -> int:
        """Return what a supplier of so many shares has, rounded down as Morpho does."""
        return shares * (self.supplied + 1) // (self.supply_shares + _VIRTUAL_SHARES)


@dataclass(frozen=True, slots=True)
class Holding:
    """What a vault has in one market: a `part` of the position of `holder`: itself, its adapter, or a vault V1."""

    market: Market
    holder: str
    part: Fraction
    position: int

    @property
    def amount(self) -> int:
        return int(self.part * self.position)


@dataclass(frozen=True, slots=True)
class VaultState:
    """What a vault holds, in the smallest unit of its asset. `reported` is its own total.

    `strange` are adapters of a kind that is not known here, with what each says it has.
    """

    vault: WatchedVault
    asset: str
    symbol: str
    decimals: int
    reported: int
    idle: int
    holdings: tuple[Holding, ...]
    strange: Mapping[str, int]

    @property
    def total(self) -> int:
        """Return the sum of what was found."""
        return self.idle + sum(one.amount for one in self.holdings) + sum(self.strange.values())
