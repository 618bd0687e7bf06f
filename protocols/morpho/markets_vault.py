"""Judges one Morpho vault: where it has too much, how risky it is, bad debt, what can be withdrawn, what is unknown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from protocols.morpho import markets_judge as judge
from protocols.morpho.markets_api import Debt
from protocols.morpho.markets_data import Book, WatchedVault
from protocols.morpho.markets_judge import Share
from protocols.morpho.markets_model import VaultState
from utils.monitor import HIGH, LOW, MEDIUM, Context, Severity, Unknown, none

_V1 = 1
_APART = Fraction(
    1, 100
)  # what a vault reports and what its markets hold: interest since they were last touched is far less


@dataclass(slots=True)
class Dollars:
    """What amounts are worth. A price is asked only where the answer decides whether something is reported."""

    m: Context
    smallest: Fraction
    _prices: dict[tuple[str, str], Fraction | Unknown] = field(default_factory=dict)

    def of(self, chain: str, token: str, units: int, decimals: int) -> Fraction | Unknown:
        found = self._prices.get((chain, token))
        if found is None:
            found = self._prices[chain, token] = self.m.price(token, chain=chain)
        return found * Fraction(units, 10**decimals)

    def is_small(self, chain: str, token: str, units: int, decimals: int) -> bool:
        """Return whether so much is certainly too little to report; without a price it is not."""
        found = self.of(chain, token, units, decimals)
        return not isinstance(found, Unknown) and found < self.smallest


@dataclass(frozen=True, slots=True)
class VaultJudge:
    """One vault with all that is needed to judge it; `state` may be unknown, and so then is everything about it."""

    m: Context
    book: Book
    vault: WatchedVault
    state: VaultState | Unknown
    shares: list[Share]
    debts: Mapping[str, Debt | Unknown]
    dollars: Dollars

    def judge(self) -> None:
        """Judge every condition of this vault once."""
        self._allocation()
        self._risk()
        self._bad_debt()
        if not self.vault.collateral_asset:
            self._liquidity()
        self._untiered()
        self._accounted()

    def _allocation(self) -> None:
        excess = self._of_vault(lambda _: judge.excess_of(self.shares), above=Fraction(0))
        self.m.limit(
            self._key("allocation"), excess, above=0, worse_by="2%", severity=HIGH, unit="%",
            text=f"{self.vault.title} holds {{value}} beyond its market limits",
            inputs=judge.shown_limits(self.shares) | self._size(), **self._about(),
        )  # fmt: skip

    def _risk(self) -> None:
        level = self.vault.risk_level
        budget = self.book.limits.max_risk[str(level)]
        risk = self._of_vault(lambda state: judge.risk_of(state, self.shares), above=budget)
        severity: Severity = MEDIUM if self.vault.version == _V1 else HIGH
        self.m.limit(
            self._key("risk"), risk, above=budget, worse_by="0.1", severity=severity,
            text=f"{self.vault.title} has a weighted risk of {{value}}, more than {{bound}} (risk level {level})",
            inputs=judge.shown_risk(self.shares), **self._about(),
        )  # fmt: skip

    def _bad_debt(self) -> None:
        """Judge the worst market. What is known to be bad counts although another market has no data."""
        limit = self.book.limits.bad_debt
        ratios = [(one, judge.bad_debt_of(one, self.debts)) for one in self.shares]
        known = [(one, ratio) for one, ratio in ratios if not isinstance(ratio, Unknown)]
        bad = [(one, ratio) for one, ratio in known if ratio > limit and not self._is_small(one.amount)]
        blind = [
            ratio for one, ratio in ratios if isinstance(ratio, Unknown) and (bad or not self._is_small(one.amount))
        ]
        counted = bad or [(one, ratio) for one, ratio in known if ratio <= limit]
        worst: Any = max((ratio for _, ratio in counted), default=Fraction(0))
        if isinstance(self.state, Unknown):
            worst = self.state
        elif blind and not bad:
            worst = blind[0]
        self.m.limit(
            self._key("bad-debt"), worst, above=limit, worse_by="0.5%", severity=HIGH, unit="%",
            text=f"{self.vault.title} lends in a market with {{value}} of its loans as bad debt",
            inputs=judge.shown_debts(bad) | self._size(), **self._about(),
        )  # fmt: skip

    def _liquidity(self) -> None:
        limit = self.book.limits.liquidity
        liquid = self._of_vault(lambda state: judge.liquid_of(state, self.shares), below=limit)
        self.m.limit(
            self._key("liquidity"), liquid, below=limit, clear=2 * limit, severity=LOW, unit="%",
            text=f"{self.vault.title}: only {{value}} can be withdrawn at once", inputs=self._size(), **self._about(),
        )  # fmt: skip

    def _untiered(self) -> None:
        """Name each market that nobody has given a tier; it counts as the riskiest until somebody does."""
        odd = [one for one in self.shares if not one.is_known and not self._is_small(one.amount)]
        self.m.members(
            self._key("untiered"), self.state if isinstance(self.state, Unknown) else [one.id for one in odd],
            expected=(), severity=MEDIUM,
            text=f"{self.vault.title} lends in a market without a risk tier: {judge.named_shares(odd)}",
            **self._about(),
        )  # fmt: skip

    def _accounted(self) -> None:
        """Hold what the vault reports against what its markets hold; what is missing is not seen by the others.

        A vault V2 reports its gains slowly, at a rate of its own, so that it may well have more than it says.
        """
        state, unit = self.state, ""
        held: Any = state
        reported: Any = state
        if not isinstance(state, Unknown):
            held, reported = (Fraction(one, 10**state.decimals) for one in (state.total, state.reported))
            unit = state.symbol
            if abs(held - reported) > _APART * held and self._is_small(max(state.total, state.reported)):
                held = none
        self.m.diverge(
            self._key("accounted"), reported, held, max=_APART, severity=MEDIUM, unit=unit,
            direction="both" if self.vault.version == _V1 else "a_over_b",
            text=f"{self.vault.title} reports another total than its markets hold", **self._about(),
        )  # fmt: skip

    def _of_vault(
        self, compute: Callable[[VaultState], Fraction], *, above: Fraction | None = None, below: Fraction | None = None
    ) -> Any:  # noqa: ANN401 - a number, Unknown or none
        """Return a number of the vault; none where the vault has nothing, or too little for a breach to matter."""
        if isinstance(self.state, Unknown):
            return self.state
        if not self.state.total:
            return none
        value = compute(self.state)
        breaches = (above is not None and value > above) or (below is not None and value < below)
        return none if breaches and self._is_small(self.state.total) else value

    def _is_small(self, units: int) -> bool:
        state = self.state
        if isinstance(state, Unknown):
            return False
        return self.dollars.is_small(self.vault.chain, state.asset, units, state.decimals)

    def _size(self) -> dict[str, str]:
        state = self.state
        return (
            {}
            if isinstance(state, Unknown)
            else {"vault holds": f"{state.total // 10**state.decimals:,} {state.symbol}"}
        )

    def _key(self, check: str) -> str:
        return f"{check}/{self.vault.subject}"

    def _about(self) -> dict[str, Any]:
        return {"chain": self.vault.chain, "contract": self.vault.address, "note": f"See {self.vault.page}"}
