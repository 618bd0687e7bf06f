"""The chain of the demo: OpenZeppelin's real TimelockController on a local node, with operations scheduled on it."""

from __future__ import annotations

from dataclasses import dataclass

from tests.support.anvil import Anvil
from tests.support.contracts import Contract, artifact

DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Operation:
    """One scheduled call; `id` is the timelock's own name for it."""

    id: str
    block: int


def deploy_timelock(node: Anvil) -> Contract:
    """Deploy a timelock of one day, whose only proposer, executor and admin is the node's first account."""
    admin = node.accounts[0]
    return artifact("oz5", "TimelockController").deploy(node, DAY_S, [admin], [admin], admin)


def schedule_new_delay(timelock: Contract, days: int) -> Operation:
    """Schedule a change of the timelock's own delay: what an attacker who wants no delay would do first."""
    call = bytes.fromhex(timelock.artifact.calldata("updateDelay", days * DAY_S)[2:])
    operation = (timelock.address, 0, call, bytes(32), days.to_bytes(32, "big"))
    receipt = timelock.send("schedule", *operation, DAY_S)
    name = timelock.call("hashOperation", *operation)
    return Operation(id=f"0x{name.hex()}", block=int(receipt["blockNumber"], 16))
