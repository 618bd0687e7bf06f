"""What logs of calls move and grant, and what a simulation came to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from monitoring.chains.abi.addresses import ZERO, checksum
from monitoring.chains.abi.function import AbiError, Event, parse_event
from monitoring.chains.abi.values import AbiValue, Unknown

if TYPE_CHECKING:
    from monitoring.chains.simulation.running import Ran

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
MAX_LOGS = 400  # a stranger's contract emits what it likes; more than these is said not to be looked at
BeforeAfter: TypeAlias = "tuple[AbiValue | Unknown, AbiValue | Unknown]"


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
class Setting:
    """A view of a contract that answers otherwise afterwards; `name` is the view's."""

    contract: str
    name: str
    before: AbiValue
    after: AbiValue


@dataclass(frozen=True, slots=True)
class Simulation:
    """What came of it. `runs` is None where nobody could say, and `reason` says why, or why it fails.

    `changes` are the own account's views before and after, by name; None where only a plain call was possible, and then
    nothing else was looked at either. `moves` and `grants` are what events say; `balances` are the own account's, by
    token, before and after; `seen` is what the view of a grant answers, by the place of the grant. `same` and `unread`
    are the names of views that answer the same, and that could not be read: these are never called unchanged.
    """

    runs: bool | None
    reason: str = ""
    moves: tuple[TokenMove, ...] = ()
    grants: tuple[Grant, ...] = ()
    changes: Mapping[str, tuple[AbiValue, AbiValue]] | None = None
    balances: Mapping[str, BeforeAfter] = field(default_factory=dict, compare=False)
    seen: Mapping[int, BeforeAfter] = field(default_factory=dict, compare=False)
    settings: tuple[Setting, ...] = field(default=(), compare=False)
    same: tuple[str, ...] = field(default=(), compare=False)
    unread: tuple[str, ...] = field(default=(), compare=False)
    unread_logs: int = field(default=0, compare=False)
    touched: tuple[str, ...] = field(default=(), compare=False)
    ran: Ran | None = field(default=None, compare=False)
    note: str = field(default="", compare=False)


def native_move(sender: str, receiver: str, amount: int) -> Mapping[str, Any]:
    """Return a move of the native token as the log that `eth_simulateV1` makes of it."""
    ends = ["0x" + one[2:].rjust(64, "0").lower() for one in (sender, receiver)]
    return {"address": _NATIVE, "topics": [_TRANSFER.topic, *ends], "data": f"0x{amount:064x}"}


def looked_at(logs: Sequence[Mapping[str, Any]]) -> tuple[tuple[TokenMove, ...], tuple[Grant, ...]]:
    """Return what the first logs move and grant."""
    logs = logs[:MAX_LOGS]
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
    except (AbiError, LookupError, TypeError):
        return None
