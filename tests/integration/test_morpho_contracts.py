"""What is read of Morpho's real contracts on a node: the same shares, totals and risk as Morpho's own code says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import orjson
import pytest

from protocols.morpho import markets_api
from protocols.morpho.markets import watch
from protocols.morpho.markets_data import Book, TieredMarket, WatchedVault, load
from protocols.morpho.markets_model import VaultState
from protocols.morpho.markets_places import hex_of
from protocols.morpho.markets_read import read_markets, read_vaults
from tests.support import anvil, parts
from tests.support.morpho_contracts import MorphoOnChain, deploy
from utils.monitor import Context, Unknown, call, monitor
from utils.testing import LocalChain, Run, SimClock, run

pytestmark = [pytest.mark.node, pytest.mark.ci]
CAPS = 800 * 10**18, 200 * 10**18


@pytest.fixture(scope="module")
def morpho() -> Iterator[MorphoOnChain]:
    if anvil.binary() is None:
        parts.missing(anvil.HOW_TO_GET_IT)
    with anvil.running("--chain-id", "1") as node:
        yield deploy(node, CAPS)


def book(morpho: MorphoOnChain) -> Book:
    ids = [hex_of(morpho.vault.call("withdrawQueue", place)) for place in (0, 1)]
    tiers = {
        ("mainnet", one): TieredMarket(id=one, chain="mainnet", tier=tier, pair=pair)
        for one, tier, pair in zip(ids, (1, 3), ("SAFE/USDX", "RISKY/USDX"), strict=True)
    }
    vault = WatchedVault(name="Acme", chain="mainnet", address=morpho.vault.address, risk_level=1)
    return replace(load(), vaults=(vault,), tiers=tiers, unwind=())


def on_the_chain(morpho: MorphoOnChain, store: Path, look: Any) -> Run:
    """Run a function of a context as a monitor, over the node and a service that knows of no bad debt."""

    @monitor("morpho")
    def main(m: Context) -> None:
        look(m)

    def answer(request: Any) -> Any:
        rows = [
            {"marketId": one, "badDebt": {"underlying": "0"}, "state": {"borrowAssets": str(_borrowed(morpho, one))}}
            for one in orjson.loads(request.body)["variables"]["ids"]
        ]
        return {"data": {"markets": {"items": rows}}}

    now = SimClock(datetime.fromtimestamp(morpho.node.now, UTC))  # the node's: it has waited for a timelock
    return run(
        main, chain=LocalChain(morpho.node.url, "mainnet"), clock=now, store=store, http={markets_api.URL: answer}
    )


def _borrowed(morpho: MorphoOnChain, market: str) -> int:
    found: int = morpho.morpho.call("market", bytes.fromhex(market[2:]))[2]
    return found


def state_of(morpho: MorphoOnChain, store: Path) -> VaultState:
    found: list[Any] = []
    on_the_chain(morpho, store, lambda m: found.append(read_vaults(m.chain(1), "mainnet", book(morpho).vaults)))
    (state,) = found[0].values()
    assert isinstance(state, VaultState), state
    return state


def test_a_real_vault_is_read_to_the_last_unit_and_its_shares_are_judged(morpho: MorphoOnChain, tmp_path: Path) -> None:
    state = state_of(morpho, tmp_path / "state")
    fired = on_the_chain(morpho, tmp_path, lambda m: watch(m, book(morpho)))

    assert state.total == state.reported == morpho.vault.call("totalAssets") == sum(CAPS)
    assert [one.amount for one in state.holdings] == list(CAPS)
    assert (state.decimals, state.symbol) == (18, "USDX")
    assert [(one.check, one.severity) for one in fired] == [
        ("allocation/1/Acme V1", "HIGH"),
        ("risk/1/Acme V1", "MEDIUM"),
    ]
    assert "RISKY/USDX 20% (tier 3, limit 10%)" in fired[0].text
    assert dict(fired.unknown) == {}


def test_what_can_be_withdrawn_and_what_is_owed_are_what_the_contracts_say(
    morpho: MorphoOnChain, tmp_path: Path
) -> None:
    owner, borrower = morpho.node.accounts[0], morpho.node.accounts[1]
    snapshot = morpho.node.snapshot()
    morpho.borrow(0, borrower, 1000 * 10**18, 700 * 10**18)
    state = state_of(morpho, tmp_path / "before")
    free = sum(min(one.amount, one.market.available) for one in state.holdings)
    exact = morpho.vault.call("maxWithdraw", owner)

    morpho.node.increase_time(86_400)
    morpho.node.mine()
    later = on_the_chain(morpho, tmp_path, lambda m: watch(m, book(morpho)))
    morpho.node.revert(snapshot)

    assert abs(free - exact) <= 1, "rounding of the vault's own shares"
    assert later.states["accounted/1/Acme V1"] == "ok"  # a day's interest is not in the markets yet
    assert later.states["bad-debt/1/Acme V1"] == "ok"


def test_what_a_price_shock_makes_liquidatable_is_what_morpho_liquidates(morpho: MorphoOnChain, tmp_path: Path) -> None:
    close, far = morpho.node.accounts[2:4]
    snapshot = morpho.node.snapshot()
    morpho.borrow(0, close, 100 * 10**18, 85 * 10**18)  # of 86 at most
    morpho.borrow(0, far, 100 * 10**18, 80 * 10**18)
    found: list[tuple[Any, list[Any]]] = []

    def look(m: Context) -> None:
        chain, ids = m.chain(1), [hex_of(morpho.vault.call("withdrawQueue", 0))]
        (market,) = read_markets(chain, "mainnet", [(morpho.morpho.address, one) for one in ids]).values()
        read = chain.read_each(
            (close, far),
            lambda who: {
                "position": call(
                    morpho.morpho.address, "position(bytes32,address)(uint256,uint128,uint128)", ids[0], who
                ),
                "price": call(morpho.oracle.address, "price()(uint256)"),
            },
        )
        found.append((market, [one for _, one in read]))

    on_the_chain(morpho, tmp_path, look)
    market, positions = found[0]
    assert not isinstance(market, Unknown)
    said = [
        market.owed_for(one.position[1])
        > one.position[2] * Fraction(one.price, 10**36) * Fraction(98, 100) * market.lltv
        for one in positions
    ]
    before = [morpho.can_be_liquidated(0, who) for who in (close, far)]
    morpho.oracle.send("setPrice", 98 * 10**34)
    after = [morpho.can_be_liquidated(0, who) for who in (close, far)]
    morpho.node.revert(snapshot)

    assert before == [False, False]
    assert said == after == [True, False]
