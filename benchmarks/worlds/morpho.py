"""The watched vaults of Morpho as their chains and Morpho's service have them: quiet.

A vault lends in the rated markets of its chain with its loan token, in ten at most. It may have 30.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

from monitoring.chains.abi.addresses import ZERO
from monitoring.chains.networks import network
from monitoring.checks.recorded.recording import Recording
from protocols.morpho.markets_api import URL
from protocols.morpho.markets_data import Book, TieredMarket, UnwindMarket, WatchedVault, load
from protocols.morpho.markets_simulated import MORPHO, address

Table = dict[tuple[str, str], Any]
_SUPPLIED, _BORROWED, _WAD, _SHARES = 10**16, 10**15, 10**18, 10**6
_MOST = 10  # markets of a vault


def vault_calls() -> dict[int, Table]:
    """Return what the vaults, their markets and tokens answer, by chain."""
    book, found = load(), dict[int, Table]()
    for slug in dict.fromkeys(one.chain for one in book.vaults):
        rated = [one for (chain, _), one in book.tiers.items() if chain == slug and len(one.id) > len(ZERO)]
        unwind = [one for one in book.unwind if one.chain == slug]
        table = _of_markets(rated, unwind)
        for vault in (one for one in book.vaults if one.chain == slug):
            table |= _of_vault(vault, rated)
        found[network(slug).id] = table
    return found


def service_answers(recordings: Sequence[Recording]) -> list[Recording]:
    """Return recordings in which Morpho's service knows these markets, and nobody who borrows from a vault."""
    book = load()
    bodies = {"Debts": {"data": {"markets": {"items": _debts(book)}}},
              "Borrowers": {"data": {"marketPositions": {"items": []}}}}  # fmt: skip
    return [_answering(one, bodies) for one in recordings]


def _answering(one: Recording, bodies: Mapping[str, Any]) -> Recording:
    if one.request.url != URL:
        return one
    return replace(
        one, body=next(body for name, body in bodies.items() if f"query {name}(" in one.request.body["query"])
    )


def _debts(book: Book) -> list[dict[str, Any]]:
    unwind, none = {one.id for one in book.unwind}, {"underlying": "0"}
    return [
        {"marketId": one.id, "badDebt": none, "state": {"borrowAssets": "0" if one.id in unwind else str(_BORROWED)}}
        for one in book.tiers.values()
    ]


def _of_markets(rated: Sequence[TieredMarket], unwind: Sequence[UnwindMarket]) -> Table:
    """Return a Morpho whose positions are their holders' parts, and tokens of six decimals."""
    params = {one.id: _params(one) for one in rated}
    params |= {
        one.id: (address(one.asset), address(f"vault {one.asset}"), address("oracle"), ZERO, 0) for one in unwind
    }
    lent, idle = {one.id: _part_of(one) for one in rated}, {one.id for one in unwind}

    def totals(key: bytes) -> tuple[int, ...]:
        borrowed = 0 if _hex(key) in idle else _BORROWED
        return _SUPPLIED, _SUPPLIED * _SHARES, borrowed, borrowed * _SHARES, 1_700_000_000, 0

    table: Table = {
        (MORPHO, "market(bytes32)(uint128,uint128,uint128,uint128,uint128,uint128)"): totals,
        (MORPHO, "idToMarketParams(bytes32)(address,address,address,address,uint256)"): lambda key: params[_hex(key)],
        (MORPHO, "position(bytes32,address)(uint256,uint128,uint128)"): lambda key, _: (
            lent.get(_hex(key), 0) * _SHARES, 0, 0
        ),
        (address("oracle"), "price()(uint256)"): 10**36,
    }  # fmt: skip
    names = {name for one in rated for name in one.pair.split("/")} | {one.asset for one in unwind}
    for name in names:
        table |= {(address(name), "symbol()(string)"): name, (address(name), "decimals()(uint8)"): 6,
                  (address(name), "balanceOf(address)(uint256)"): 0}  # fmt: skip
    for one in unwind:
        shares = address(f"vault {one.asset}")
        table |= {(shares, "asset()(address)"): one.asset_address, (shares, "decimals()(uint8)"): 6,
                  (shares, "convertToAssets(uint256)(uint256)"): _WAD}  # fmt: skip
    return table


def _hex(key: bytes) -> str:
    return "0x" + key.hex()


def _params(one: TieredMarket) -> tuple[str, str, str, str, int]:
    collateral, _, loan = one.pair.partition("/")
    return address(loan), address(collateral), address("oracle"), ZERO, int((one.lltv or Fraction(86, 100)) * _WAD)


def _part_of(one: TieredMarket) -> int:
    """Return what each vault has in a market: most of it in the safest ones."""
    return 10**12 if one.tier == 1 else 10**8


def _of_vault(vault: WatchedVault, rated: Sequence[TieredMarket]) -> Table:
    loans = sorted({one.pair.partition("/")[2] for one in rated}, key=lambda name: (name not in vault.name, name))
    markets = [one for one in rated if one.pair.endswith(f"/{loans[0]}")][:_MOST]
    ids, total = [bytes.fromhex(one.id[2:]) for one in markets], sum(map(_part_of, markets))
    views: dict[str, Any] = {
        "asset()(address)": address(loans[0]),
        "owner()(address)": address("owner"),
        "curator()(address)": address("curator"),
        "isAllocator(address)(bool)": True,
        "totalAssets()(uint256)": total,
    }
    if vault.version == 1:
        views |= {
            "totalSupply()(uint256)": total,
            "MORPHO()(address)": MORPHO,
            "guardian()(address)": address("guardian"),
            "timelock()(uint256)": 3 * 86400,
            "pendingTimelock()(uint192,uint64)": (0, 0),
            "pendingGuardian()(address,uint64)": (ZERO, 0),
            "pendingCap(bytes32)(uint192,uint64)": (0, 0),
            "config(bytes32)(uint184,bool,uint64)": (10**12, True, 0),
            "withdrawQueueLength()(uint256)": len(ids),
            "withdrawQueue(uint256)(bytes32)": lambda place: ids[place],
        }
        return {(vault.address, view): value for view, value in views.items()}
    adapter = address(f"adapter of {vault.address}")
    views |= {
        "adaptersLength()(uint256)": 1,
        "adapters(uint256)(address)": adapter,
        "isSentinel(address)(bool)": True,
    }
    # The views of other kinds of adapters answer nothing, since web3.py gives a whole batch up over one that reverts.
    own: dict[str, Any] = {
        "realAssets()(uint256)": total,
        "parentVault()(address)": vault.address,
        "skimRecipient()(address)": ZERO,
        "marketIdsLength()(uint256)": len(ids),
        "marketIds(uint256)(bytes32)": lambda place: ids[place],
        "morpho()(address)": MORPHO,
    }
    table: Table = {(vault.address, view): value for view, value in views.items()}
    return table | {(adapter, view): value for view, value in own.items()}
