"""Morpho vaults of both generations: where they lend, how risky that is, and whether it can be withdrawn.

The chain says what a vault holds; Morpho's service is asked for bad debt and for who borrows, which no contract lists.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from protocols.morpho.markets_api import Debt, read_debts
from protocols.morpho.markets_data import Book, WatchedVault, load
from protocols.morpho.markets_judge import shares_of
from protocols.morpho.markets_model import Market, VaultState
from protocols.morpho.markets_read import read_vaults
from protocols.morpho.markets_unwind import judge_unwind
from protocols.morpho.markets_vault import Dollars, VaultJudge
from utils.chain import Chain
from utils.monitor import Context, Unknown, monitor

States: TypeAlias = Mapping[WatchedVault, VaultState | Unknown]
Debts: TypeAlias = Mapping[str, Debt | Unknown]


@monitor("morpho", runbook="protocols/morpho/README.md")
def main(m: Context) -> None:
    """Judge every vault, then what lies behind the collateral that a Yearn vault is."""
    watch(m, load())


def watch(m: Context, book: Book) -> None:
    """Judge what a book lists."""
    dollars = Dollars(m, book.limits.smallest)

    def read(chain: Chain) -> tuple[States, Debts]:
        states = read_vaults(chain, chain.slug, [one for one in book.vaults if one.chain == chain.slug])
        return states, read_debts(m, chain.slug, [one.id for one in _markets_of(states.values()) if not one.is_idle])

    for chain, (states, debts) in m.on_chains(list(dict.fromkeys(one.chain for one in book.vaults)), read):
        _judge_vaults(m, book, chain, states, debts, dollars)
        unwind = [one for one in book.unwind if one.chain == chain.slug]
        if unwind:
            judge_unwind(m, book.limits, unwind, states, dollars)


def _judge_vaults(m: Context, book: Book, chain: Chain, states: States, debts: Debts, dollars: Dollars) -> None:
    """Judge the vaults of one chain."""
    markets = [one for one in _markets_of(states.values()) if not one.is_idle]
    names = _names_of(chain, [one for one in markets if (chain.slug, one.id) not in book.tiers])
    for vault, state in states.items():
        shares = shares_of(state, book, names) if isinstance(state, VaultState) else []
        VaultJudge(m, book, vault, state, shares, debts, dollars).judge()


def _markets_of(states: Iterable[VaultState | Unknown]) -> list[Market]:
    """Return the markets in which some vault has something, each once."""
    known = [one for one in states if isinstance(one, VaultState)]
    return list({held.market.id: held.market for one in known for held in one.holdings}.values())


def _names_of(chain: Chain, markets: Sequence[Market]) -> dict[str, str]:
    """Return what markets without a tier lend against what, by id; nothing of one whose tokens have no name."""
    found = chain.tokens(token for one in markets for token in (one.collateral, one.loan))
    symbols = {address: one.symbol for address, one in found.items() if not isinstance(one, Unknown)}
    return {
        one.id: f"{symbols[one.collateral]}/{symbols[one.loan]}"
        for one in markets
        if one.collateral in symbols and one.loan in symbols
    }


if __name__ == "__main__":
    main()
