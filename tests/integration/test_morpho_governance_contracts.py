"""The governance of a real MetaMorpho vault on a node, through each of its events, as people receive it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from monitoring.chains.abi.addresses import checksum
from protocols.morpho.governance.main import govern
from protocols.morpho.governance.words import MorphoMarket
from protocols.morpho.markets_data import WatchedVault, load
from tests.support import anvil, parts
from tests.support.morpho_contracts import MorphoOnChain, deploy
from utils.monitor import Context, monitor
from utils.testing import LocalChain, SimClock, run

pytestmark = [pytest.mark.node, pytest.mark.ci]
DAY_S = 86_400
Look = Callable[[], list[str]]


@pytest.fixture(scope="module")
def morpho() -> Iterator[MorphoOnChain]:
    if anvil.binary() is None:
        parts.missing(anvil.HOW_TO_GET_IT)
    with anvil.running("--chain-id", "1") as node:
        yield deploy(node, (800 * 10**18, 200 * 10**18))


@pytest.fixture
def look(morpho: MorphoOnChain, tmp_path: Path) -> Look:
    """Return what mines enough blocks on top, runs the monitor, and returns the title of each message."""
    vault = WatchedVault(name="Acme", chain="mainnet", address=morpho.vault.address, risk_level=1)

    @monitor("morpho-governance")
    def main(m: Context) -> None:
        govern(m, replace(load(), vaults=(vault,), tiers={}))

    def titles() -> list[str]:
        morpho.node.mine(4)
        clock = SimClock(datetime.fromtimestamp(morpho.node.now, UTC))
        found = run(main, store=tmp_path, chain=LocalChain(morpho.node.url, 1), clock=clock)
        assert found.unknown == {}
        return [one.title.removeprefix("Acme V1 on Ethereum: ").partition(", executable from")[0] for one in found]

    return titles


def test_every_change_of_a_vault_is_followed_to_its_end(morpho: MorphoOnChain, look: Look) -> None:
    node, vault, params = morpho.node, morpho.vault, morpho.params(0)
    owner, guardian, other = node.accounts[0], node.accounts[3], node.accounts[4]
    short = {one: f"{checksum(one)[:6]}…{checksum(one)[-4:]}" for one in (owner, guardian, other)}
    market, market_id = "market SAFE/USDX 86%", bytes.fromhex(MorphoMarket(*params).id[2:])
    vault.send("submitTimelock", 2 * DAY_S)
    look()

    vault.send("submitGuardian", guardian)
    assert look() == [f"executed: set the guardian to {short[guardian]}, by {short[owner]}"]
    vault.send("submitTimelock", DAY_S)
    vault.send("submitGuardian", other)
    vault.send("submitCap", params, 900 * 10**18)
    assert sorted(look()) == [
        f"submitted: set the guardian to {short[other]}",
        f"submitted: set the supply cap of {market} to 900 USDX",
        "submitted: set the timelock to 1 d",
    ]
    assert look() == []

    vault.send("revokePendingTimelock", sender=guardian)
    vault.send("revokePendingGuardian", sender=guardian)
    node.increase_time(2 * DAY_S + 1)
    vault.send("acceptCap", params, sender=other)
    assert sorted(look()) == [
        f"executed: set the supply cap of {market} to 900 USDX",
        f"revoked by {short[guardian]}: set the guardian to {short[other]}",
        f"revoked by {short[guardian]}: set the timelock to 1 d",
    ]

    vault.send("submitCap", params, 0)
    vault.send("submitMarketRemoval", params)
    assert sorted(look()) == [
        f"executed: set the supply cap of {market} to 0 USDX, by {short[owner]}",
        f"submitted: remove {market}",
    ]
    vault.send("revokePendingMarketRemoval", market_id, sender=guardian)
    assert look() == [f"revoked by {short[guardian]}: remove {market}"]

    vault.send("setCurator", other)
    vault.send("setIsAllocator", guardian, True)
    assert look() == [f"curator: {short[other]}, by {short[owner]} (and 1 more change)"]
    vault.send("transferOwnership", other)
    vault.send("acceptOwnership", sender=other)
    assert len(look()) == 1
    assert look() == []
