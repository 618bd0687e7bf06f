"""The testbed itself: a real node and contracts nobody here wrote, deployed and driven."""

from __future__ import annotations

import os
import urllib.error
from pathlib import Path

import pytest

from tests.support import anvil, parts
from tests.support.anvil import Anvil
from tests.support.contracts import SAFE_1_4, SAFE_1_5, Contract, artifact
from tests.support.rpc import RpcError

pytestmark = pytest.mark.node
NOWHERE = "0x" + "00" * 20
SALT = bytes.fromhex("5a" * 32)
DAY = 86_400


def timelock(chain: Anvil, package: str, delay: int = DAY) -> Contract:
    admin = chain.accounts[0]
    generation_3 = package == "oz3"
    who = ([admin], [admin]) if generation_3 else ([admin], [admin], admin)
    return artifact(package, "TimelockController").deploy(chain, delay, *who)


@pytest.mark.parametrize("package", ["oz3", "oz4", "oz5"])
def test_every_generation_of_the_timelock_schedules_and_executes(chain: Anvil, package: str) -> None:
    lock = timelock(chain, package)
    call = (lock.address, 0, bytes.fromhex(lock.artifact.calldata("updateDelay", 2 * DAY)[2:]), bytes(32), SALT)

    lock.send("schedule", *call, DAY)
    with pytest.raises(RpcError, match="revert"):
        lock.send("execute", *call)
    chain.increase_time(DAY)
    lock.send("execute", *call)

    (scheduled,) = lock.events("CallScheduled")
    assert scheduled["id"] == lock.call("hashOperation", *call)
    assert (scheduled["target"], scheduled["data"], scheduled["delay"]) == (lock.address.lower(), call[2], DAY)
    assert lock.call("getMinDelay") == 2 * DAY


@pytest.mark.parametrize(("package", "salts"), [("oz4", 1), ("oz5", 1)])
def test_a_salted_operation_leaves_a_second_log(chain: Anvil, package: str, salts: int) -> None:
    lock = timelock(chain, package)

    lock.send("schedule", lock.address, 0, b"", bytes(32), SALT, DAY)

    assert len(lock.events("CallSalt")) == salts
    assert len(chain.logs(lock.address)) >= 2 + salts


def test_a_reorganisation_takes_a_log_away(chain: Anvil) -> None:
    lock = timelock(chain, "oz5")
    chain.mine(3)
    lock.send("schedule", lock.address, 0, b"", bytes(32), SALT, DAY)
    before, head = chain.block(), chain.head
    assert len(lock.events("CallScheduled")) == 1

    chain.reorg(2)

    assert lock.events("CallScheduled") == []
    assert chain.head == head
    assert chain.block(head)["hash"] != before["hash"]


@pytest.mark.parametrize("package", [SAFE_1_4, SAFE_1_5])
def test_a_safe_is_set_up_with_two_owners(chain: Anvil, package: str) -> None:
    singleton = artifact(package, "Safe").deploy(chain)
    factory = artifact(package, "SafeProxyFactory").deploy(chain)
    owners = list(chain.accounts[:2])
    setup = singleton.artifact.calldata("setup", owners, 2, NOWHERE, b"", NOWHERE, NOWHERE, 0, NOWHERE)

    factory.send("createProxyWithNonce", singleton.address, bytes.fromhex(setup[2:]), 7)

    (made,) = factory.events("ProxyCreation")
    safe = singleton.artifact.at(chain, made["proxy"])
    assert safe.call("getThreshold") == 2
    assert list(safe.call("getOwners")) == [owner.lower() for owner in owners]


def test_code_and_storage_can_be_put_at_any_address(chain: Anvil) -> None:
    address = "0x" + "c0" * 20
    sload_slot_7 = "0x60075460005260206000f3"

    chain.set_code(address, sload_slot_7)
    chain.set_storage(address, 7, 42)

    assert int(chain.call(address, "0x"), 16) == 42


def test_time_moves_forward_on_demand(chain: Anvil) -> None:
    before, head = chain.now, chain.head

    chain.increase_time(DAY)
    chain.mine(5)

    assert chain.now >= before + DAY
    assert chain.head == head + 6


def test_a_snapshot_brings_everything_back_time_included(chain: Anvil) -> None:
    snapshot, head, now = chain.snapshot(), chain.head, chain.now
    chain.increase_time(30 * DAY)
    chain.send(chain.accounts[1], value=5)

    chain.revert(snapshot)
    chain.mine()

    assert chain.head == head + 1
    assert now <= chain.now < now + DAY
    with pytest.raises(RpcError, match="no snapshot"):
        chain.revert(snapshot)


def test_any_address_can_be_spoken_for(chain: Anvil) -> None:
    somebody = "0x" + "ab" * 20
    with chain.impersonating(somebody) as sender:
        receipt = chain.send(chain.accounts[1], sender=sender, value=10)

    assert receipt["from"] == somebody
    with pytest.raises(RpcError):
        chain.send(chain.accounts[1], sender=somebody, value=10)


def test_a_node_of_ones_own_is_gone_with_its_block() -> None:
    if anvil.binary() is None:
        parts.missing(anvil.HOW_TO_GET_IT)
    with anvil.running("--chain-id", "4242") as node:
        assert int(node.rpc("eth_chainId"), 16) == 4242
        assert Path(f"/proc/{node.pid}").exists()

    with pytest.raises(ProcessLookupError):
        os.kill(node.pid, 0)
    with pytest.raises(urllib.error.URLError):
        node.rpc("eth_chainId")


def test_a_node_that_cannot_start_says_what_it_printed() -> None:
    if anvil.binary() is None:
        parts.missing(anvil.HOW_TO_GET_IT)
    with pytest.raises(RuntimeError, match=r"(?s)exit 2.*--no-such-option"), anvil.running("--no-such-option"):
        pass
