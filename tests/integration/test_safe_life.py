"""The life of a Safe transaction by real Safes on a local chain: each step is reported once, in the thread it began."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from monitoring.chains.abi.addresses import checksum
from monitoring.chains.networks import network
from tests.integration.test_safes import later, watching
from tests.support import anvil, parts
from tests.support.anvil import Anvil
from tests.support.contracts import Contract
from tests.support.monitor_world import MonitorWorld, Told
from tests.support.own_contracts import runtime_code
from tests.support.safes import CURATION, TARGET, SafeService, execute, execute_row, queued, safe_at, signed

pytestmark = pytest.mark.node
STRANGER = checksum("0x" + "5a" * 20)
SENDER = 5  # an account of the node that is no owner
Row = dict[str, Any]


@dataclass
class Life:
    """A Safe of two owners, both of whom must sign, its service, and who watches them."""

    node: Anvil
    safe: Contract
    service: SafeService
    world: MonitorWorld
    told: list[Told] = field(default_factory=list)

    def list(self, *rows: Row) -> None:
        self.service.rows["eth"] = list(rows)

    def run(self, *, asks: bool = True) -> list[str]:
        """Mine what confirms the rest, and run; return the titles of what is new."""
        self.node.mine(4)
        told = (later(self.world) if asks else self.world.run()).told
        self.told += told
        return [one.message.title.removeprefix("Curation (mainnet): ") for one in told]

    def execute(self, row: Row) -> str:
        return str(execute_row(self.safe, row, self.node.accounts[SENDER])["transactionHash"])

    def thread(self, row: Row) -> list[str]:
        name = f"safe-tx/1/{row['safeTxHash']}"
        return [one.message.title for one in self.told if name in one.message.threads]


@pytest.fixture(scope="module")
def chain() -> Iterator[Anvil]:
    if anvil.binary() is None:
        parts.missing(anvil.HOW_TO_GET_IT)
    with anvil.running("--chain-id", "1") as running:
        running.set_code(network(1).multicall3, runtime_code("Aggregate3"))
        execute(safe_at(running), "addOwnerWithThreshold", running.accounts[1], 2)
        yield running


@pytest.fixture
def life(chain: Anvil, tmp_path: Path) -> Iterator[Life]:
    snapshot, service = chain.snapshot(), SafeService()
    safe = parts.package("@safe-global/safe-contracts", "Safe").at(chain, CURATION)
    chain.mine(4)
    with watching(tmp_path, service, {"mainnet": chain.url}) as world:
        world.run()
        yield Life(chain, safe, service, world)
    chain.revert(snapshot)


def test_queued_signed_and_executed_are_three_messages_of_one_thread(life: Life) -> None:
    row = queued(1)
    life.list(signed(life.node, row, 0))
    assert life.run() == ["transaction queued at nonce 1"]
    both = signed(life.node, row, 0, 1)
    life.list(both)
    assert life.run() == ["transaction at nonce 1 can be executed now, 2 of 2 signed"]
    assert life.run() == []
    tx = life.execute(both)
    life.list()
    assert life.run() == ["transaction at nonce 1 was executed"]
    told = life.told[-1]
    assert f"Sent by: {checksum(life.node.accounts[SENDER])}" in told.text
    assert f"In: {tx}" in told.text
    assert f"pause on {TARGET}" in told.text
    assert life.run() == []
    assert len(life.thread(row)) == 3


def test_what_the_chain_executed_and_the_queue_never_showed_is_reported_with_what_it_did(life: Life) -> None:
    row = signed(life.node, queued(1), 0, 1)
    life.execute(row)
    assert life.run() == ["transaction at nonce 1 was executed, which was not seen in its queue"]
    assert f"pause on {TARGET}" in life.told[-1].text
    assert life.run() == []


def test_a_rejection_replaces_what_it_rejects_and_each_has_its_end(life: Life) -> None:
    row, rejection = signed(life.node, queued(1), 0), signed(life.node, queued(1, "00", to=CURATION, data=None), 0, 1)
    life.list(row)
    life.run()
    life.list(row, rejection)
    assert life.run() == ["competing transaction queued at nonce 1"]
    life.execute(rejection)
    life.list()
    assert sorted(life.run()) == ["rejection at nonce 1 was executed", "transaction at nonce 1 was rejected"]
    assert life.run() == []
