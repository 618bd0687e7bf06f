"""Timelocks of each generation at a real address of a local chain."""

from __future__ import annotations

from typing import Any

from monitoring.chains.abi.function import encode
from monitoring.checks.builtin.timelocks.kinds import signals
from tests.support import parts
from tests.support.anvil import Anvil
from tests.support.contracts import Contract
from tests.support.rpc_server import event_log

YEARN = "0x88Ba032be87d5EF1fbE87336B7090767F367BF73"
NOTHING = b"\0" * 32
SALT = b"\7" * 32
DAY = 86_400


def raw(text: str) -> bytes:
    return bytes.fromhex(text[2:])


def timelock_at(node: Anvil, generation: str, min_delay_s: int = DAY) -> Contract:
    account = node.accounts[0]
    more = () if generation == "oz3" else (account,)
    made = parts.package(generation, "TimelockController")
    return made.deploy_at(node, YEARN, min_delay_s, [account], [account], *more)


def calls_of(timelock: Contract) -> tuple[list[str], list[int], list[bytes]]:
    """A batch that grants a role and shortens the delay, as arguments of `scheduleBatch`."""
    grants = raw(timelock.artifact.calldata("grantRole", NOTHING, timelock.node.accounts[1]))
    delay = raw(timelock.artifact.calldata("updateDelay", 60))
    return [YEARN, YEARN], [0, 0], [grants, delay]


def scheduled_logs(blocks: range, delay_s: int = DAY) -> list[Any]:
    """One `CallScheduled` of the timelock in each of these blocks."""
    return [_log("CallScheduled", block, [YEARN, 0, b"", NOTHING, delay_s]) for block in blocks]


def executed_log(block: int, of: int | None = None) -> Any:
    return _log("CallExecuted", block, [YEARN, 0, b""], of=of)


def cancelled_log(block: int, of: int | None = None) -> Any:
    return _log("Cancelled", block, [], is_indexed=False, of=of)


def _log(name: str, block: int, values: list[Any], *, is_indexed: bool = True, of: int | None = None) -> Any:
    """One event of the operation that is named by the block it was scheduled in; without one by its own."""
    signal = next(one for one in signals("oz_timelock_controller").values() if one.name == name)
    types = [field.kind for field in signal.event.fields if not field.indexed] if signal.event else []
    data = "0x" + encode(types, values, name).hex()
    index = ["0x" + "0" * 64] if is_indexed else []
    return event_log(block, address=YEARN, topic=signal.topic) | {
        "topics": [signal.topic, f"0x{block if of is None else of:064x}", *index], "data": data,
    }  # fmt: skip
