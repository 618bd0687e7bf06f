"""Reads what Morpho vaults hold in which market, from the chain.

The markets of all vaults of a chain are one read, as are the positions. What cannot be read makes the vaults that need
it unknown, and no other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TypeAlias

from monitoring.chains.rpc.tokens import Token
from protocols.morpho.markets_data import WatchedVault
from protocols.morpho.markets_model import Holding, Market, VaultState
from protocols.morpho.markets_places import PARAMS, Adapters, Queue, attempt, read_places, sure
from utils.chain import Chain, Readings, ViewCall
from utils.monitor import Unknown, UnknownError, call

_WAD = 10**18
_V2 = 2
MarketPlace: TypeAlias = tuple[str, str]  # Morpho's address, the market's id


@dataclass(frozen=True, slots=True)
class _Position:
    """A position to be read: in which market, whose, and how much of it counts."""

    market: MarketPlace
    holder: str
    part: Fraction = Fraction(1)


@dataclass(frozen=True, slots=True)
class _Places:
    """Where a vault of either generation has what it has."""

    asset: str
    reported: int
    positions: tuple[_Position, ...]
    idle: int = 0
    strange: Mapping[str, int] = field(default_factory=dict)


def read_vaults(chain: Chain, slug: str, vaults: Sequence[WatchedVault]) -> dict[WatchedVault, VaultState | Unknown]:
    """Return the state of each vault of a chain."""
    of_v2 = [one.address for one in vaults if one.version == _V2]
    queues, v2 = read_places(chain, [one.address for one in vaults if one.address not in of_v2], of_v2)
    parts = {
        one.address: attempt(_parts_of_v2, v2[one.address], queues)
        if one.address in v2
        else attempt(_parts_of_v1, one.address, queues)
        for one in vaults
    }
    whole = [one for one in parts.values() if isinstance(one, _Places)]
    positions = [place for one in whole for place in one.positions]
    markets, shares = _read_positions(chain, slug, [(one.market, one.holder) for one in positions])
    tokens = chain.tokens(one.asset for one in whole)
    return {one: attempt(_state, one, parts[one.address], markets, shares, tokens) for one in vaults}


def read_markets(chain: Chain, slug: str, wanted: Iterable[MarketPlace]) -> dict[MarketPlace, Market | Unknown]:
    """Return markets by (Morpho's address, market id)."""
    read = chain.read_each(dict.fromkeys(wanted), _market_calls)
    return {row: attempt(_market, slug, row, found) for row, found in read}


def _market_calls(row: MarketPlace) -> Mapping[str, ViewCall]:
    return {
        "totals": call(row[0], "market(bytes32)(uint128,uint128,uint128,uint128,uint128,uint128)", row[1]),
        "params": call(row[0], f"idToMarketParams(bytes32){PARAMS}", row[1]),
    }


def _market(slug: str, row: tuple[str, str], found: Readings) -> Market:
    loan, collateral, oracle, _, lltv = sure(found.params)
    supplied, supply_shares, borrowed, borrow_shares, touched, _ = sure(found.totals)
    if not touched:
        raise UnknownError(Unknown(f"{slug}: Morpho has no market {row[1]}", f"{slug}: market {row[1]}"))
    return Market(
        slug, *row, loan, collateral, oracle, Fraction(lltv, _WAD), supplied, supply_shares, borrowed, borrow_shares
    )


def _read_positions(
    chain: Chain, slug: str, wanted: Sequence[tuple[MarketPlace, str]]
) -> tuple[dict[MarketPlace, Market | Unknown], dict[tuple[MarketPlace, str], int | Unknown]]:
    """Return the markets, and the shares of each holder in them, all in one request."""
    view = "position(bytes32,address)(uint256,uint128,uint128)"
    markets = {(market, ""): _market_calls(market) for market, _ in wanted}
    positions = {(market, holder): {"position": call(market[0], view, market[1], holder)} for market, holder in wanted}
    read = dict(chain.read_each([*markets, *positions], (markets | positions).__getitem__))
    return (
        {market: attempt(_market, slug, market, read[market, ""]) for market, _ in markets},
        {row: read[row].position[0] for row in positions},
    )


def _parts_of_v1(vault: str, queues: Mapping[str, Queue | Unknown]) -> _Places:
    queue = sure(queues[vault])
    return _Places(queue.asset, queue.reported, _of_queue(vault, queue))


def _parts_of_v2(found: Adapters | Unknown, queues: Mapping[str, Queue | Unknown]) -> _Places:
    vault = sure(found)
    positions: list[_Position] = []
    for one in vault.adapters:
        if one.inner:
            queue = sure(queues[one.inner])
            positions += _of_queue(one.inner, queue, Fraction(one.shares, queue.shares or 1))
        positions += [_Position((one.morpho, market), one.address) for market in one.ids]
    strange = {one.address: one.assets for one in vault.adapters if not one.inner and not one.morpho}
    return _Places(vault.asset, vault.reported, tuple(positions), vault.idle, strange)


def _of_queue(vault: str, queue: Queue, part: Fraction = Fraction(1)) -> tuple[_Position, ...]:
    return tuple(_Position((queue.morpho, market), vault, part) for market in queue.ids)


def _state(
    vault: WatchedVault,
    found: _Places | Unknown,
    markets: Mapping[MarketPlace, Market | Unknown],
    shares: Mapping[tuple[MarketPlace, str], int | Unknown],
    tokens: Mapping[str, Token | Unknown],
) -> VaultState:
    parts = sure(found)
    holdings = []
    for one in parts.positions:
        market, position = sure(markets[one.market]), sure(shares[one.market, one.holder])
        holdings.append(Holding(market, one.holder, one.part, market.worth_of(position)))
    token = sure(tokens[parts.asset])
    held = tuple(one for one in holdings if one.amount)
    return VaultState(vault, parts.asset, token.symbol, token.decimals, parts.reported, parts.idle, held, parts.strange)
