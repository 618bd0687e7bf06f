"""What calls would do: run by the provider on the newest block, and what they move and grant, as events say it.

By `eth_simulateV1`, which returns no difference of state: what no event and no view says was not looked at, and is
never called unchanged. Nothing is sent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from monitoring.chains.abi.addresses import ZERO, checksum
from monitoring.chains.abi.function import AbiError, Event, from_hex, parse_event
from monitoring.chains.abi.values import AbiValue
from monitoring.chains.decode.calldata import Transaction
from monitoring.chains.rpc.errors import Fault, RpcError
from monitoring.chains.rpc.multicall import revert_reason
from monitoring.chains.rpc.views import ChainView

_NATIVE = "0x" + "ee" * 20  # how eth_simulateV1 names the native token in its transfers
_TRANSFER = parse_event("Transfer(address indexed from, address indexed to, uint256 amount)")
_TRANSFER_ONE = parse_event("Transfer(address indexed from, address indexed to, uint256 indexed id)")
_GRANTS = tuple(
    parse_event(text)
    for text in (
        "Approval(address indexed owner, address indexed spender, uint256 amount)",
        "ApprovalForAll(address indexed owner, address indexed operator, bool approved)",
        "OwnershipTransferred(address indexed from, address indexed to)",
        "RoleGranted(bytes32 indexed role, address indexed account, address indexed by)",
        "RoleRevoked(bytes32 indexed role, address indexed account, address indexed by)",
        "Upgraded(address indexed implementation)",
        "AdminChanged(address from, address to)",
    )
)


@dataclass(frozen=True, slots=True)
class TokenMove:
    """Tokens that change hands: `amount` in the smallest unit, or the id of one (`is_one`); native: zero."""

    token: str
    sender: str
    receiver: str
    amount: int
    is_one: bool = False


@dataclass(frozen=True, slots=True)
class Grant:
    """An approval, a role, an owner or an implementation that changes, as its contract says by an event."""

    contract: str
    event: str
    fields: Mapping[str, AbiValue]


@dataclass(frozen=True, slots=True)
class Simulation:
    """What came of it. `runs` is None where nobody could say, and `reason` says why, or why it fails.

    `changes` are views before and after, by name; None where only a plain call was possible, and then `moves` and
    `grants` were not looked at either.
    """

    runs: bool | None
    reason: str = ""
    moves: tuple[TokenMove, ...] = ()
    grants: tuple[Grant, ...] = ()
    changes: Mapping[str, tuple[AbiValue, AbiValue]] | None = None


def simulate_calls(sender: str, calls: Sequence[Transaction], when: datetime | None, view: ChainView) -> Simulation:
    """Run calls of one sender one after the other, at an instant where one is given: what they move and grant together.

    Nothing raises for the network's sake. A call that fails ends it, as it would end a batch.
    """
    block = view.block.at if when is None or when <= view.block.at else when
    asked: dict[str, Any] = {
        "blockStateCalls": [
            {
                "blockOverrides": {"time": hex(int(block.timestamp()) + 1)},
                "calls": [
                    {"from": sender, "to": one.to, "data": "0x" + one.data.hex(), "value": hex(one.value)}
                    for one in calls
                ],
            }
        ],
        "traceTransfers": True,
        "validation": False,
    }
    try:
        answer: Any = view.pool.call("eth_simulateV1", asked, view.block.tag, at_least=view.block.number)
        return _together(answer[0]["calls"])
    except RpcError as error:
        unsupported = error.fault is Fault.UNSUPPORTED
        return Simulation(None, "the provider has no eth_simulateV1" if unsupported else str(error))
    except (AbiError, LookupError, TypeError, ValueError) as error:
        return Simulation(None, f"the provider answered nonsense: {error}")


def _together(ran: Sequence[Mapping[str, Any]]) -> Simulation:
    for place, one in enumerate(ran, 1):
        if int(one["status"], 16) != 1:
            which = f"call {place} of {len(ran)}" if len(ran) > 1 else "it"
            return Simulation(False, f"{which} reverts{revert_reason(from_hex(one['returnData'] or '0x'))}", changes={})
    logs = [log for one in ran for log in one.get("logs") or []]
    return Simulation(True, "", *looked_at(logs), changes={})


def looked_at(logs: Sequence[Mapping[str, Any]]) -> tuple[tuple[TokenMove, ...], tuple[Grant, ...]]:
    """Return what logs move and grant."""
    return tuple(filter(None, map(_move, logs))), tuple(filter(None, map(_grant, logs)))


def _move(log: Mapping[str, Any]) -> TokenMove | None:
    found = _decoded(_TRANSFER, log)
    one = None if found else _decoded(_TRANSFER_ONE, log)
    fields = found or one
    if fields is None:
        return None
    token = ZERO if str(log["address"]).lower() == _NATIVE else checksum(str(log["address"]))
    number = fields["amount" if found else "id"]
    return TokenMove(token, str(fields["from"]), str(fields["to"]), int(str(number)), is_one=found is None)


def _grant(log: Mapping[str, Any]) -> Grant | None:
    for event in _GRANTS:
        if (fields := _decoded(event, log)) is not None:
            return Grant(checksum(str(log["address"])), event.name, fields)
    return None


def _decoded(event: Event, log: Mapping[str, Any]) -> dict[str, AbiValue] | None:
    try:
        return event.decode(log["topics"], log["data"])
    except AbiError:
        return None
