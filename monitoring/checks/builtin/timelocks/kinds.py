"""The kinds of timelock: which of their events say what, which of them belong to one operation, what each carries.

Pure. A log that does not decode is still an event of its kind: the message shows it as hex.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from monitoring.chains.abi.addresses import SignatureError, keccak256
from monitoring.chains.abi.function import AbiError, Event, from_hex, parse_event, selector_of
from monitoring.chains.abi.selectors import events, roles
from monitoring.chains.abi.values import AbiValue
from monitoring.chains.decode.calldata import Transaction
from monitoring.chains.decode.unwrap import with_signature

WORD = 32


class What(StrEnum):
    """What an event says of a timelock."""

    SCHEDULED = "scheduled"
    EXECUTED = "executed"
    CANCELLED = "cancelled"
    DELAY = "delay changed"
    POWER = "power moved"


@dataclass(frozen=True, slots=True)
class RawLog:
    """A log as it can be kept in a transition: topics and data in hex."""

    topics: tuple[str, ...]
    data: str


@dataclass(frozen=True, slots=True)
class Signal:
    """One event that a kind of timelock speaks with; `grouped` ones of a transaction and id are one operation."""

    name: str
    topic: str
    what: What
    event: Event | None = None
    grouped: bool = False


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a log carries, as far as it has it: `ready_at` and `until` in unix seconds, `delay_s` after its block."""

    id: str = ""
    calls: tuple[Transaction, ...] = ()
    ready_at: int | None = None
    delay_s: int | None = None
    until: int | None = None
    facts: tuple[tuple[str, str], ...] = ()


_SAID: Mapping[str, Mapping[str, What]] = {
    "oz_timelock_controller": {
        "CallScheduled": What.SCHEDULED,
        "CallExecuted": What.EXECUTED,
        "Cancelled": What.CANCELLED,
        "MinDelayChange": What.DELAY,
    },
    "compound_timelock": {
        "QueueTransaction": What.SCHEDULED,
        "ExecuteTransaction": What.EXECUTED,
        "CancelTransaction": What.CANCELLED,
        "NewDelay": What.DELAY,
        "NewAdmin": What.POWER,
        "NewPendingAdmin": What.POWER,
    },
    "aave_governance_v3": {
        "ProposalQueued": What.SCHEDULED,
        "ProposalExecuted": What.EXECUTED,
        "ProposalCanceled": What.CANCELLED,
    },
    "aragon_voting": {"StartVote": What.SCHEDULED, "ExecuteVote": What.EXECUTED},
    "maple_governor_timelock": {
        "ProposalScheduled": What.SCHEDULED,
        "ProposalExecuted": What.EXECUTED,
        "ProposalUnscheduled": What.CANCELLED,
        "RoleUpdated": What.POWER,
    },
    "puffer_timelock": {
        "TransactionQueued": What.SCHEDULED,
        "TransactionExecuted": What.EXECUTED,
        "TransactionCanceled": What.CANCELLED,
        "DelayChanged": What.DELAY,
    },
}
_ROLES: Mapping[str, What] = {"RoleGranted": What.POWER, "RoleRevoked": What.POWER}
# Sky's pause logs no event but a note of each call: the first topic is the function's selector.
_NOTED: Mapping[str, What] = {
    "plot(address,bytes32,bytes,uint256)": What.SCHEDULED,
    "exec(address,bytes32,bytes,uint256)": What.EXECUTED,
    "drop(address,bytes32,bytes,uint256)": What.CANCELLED,
    "setDelay(uint256)": What.DELAY,
}
_NOTE = parse_event("LogNote(uint256 wad, bytes fax)")
_BATCHED = ("CallScheduled", "CallExecuted")
_BY_TRANSACTION = ("QueueTransaction", "ExecuteTransaction", "CancelTransaction")
KINDS = (*_SAID, "ds_pause")


@functools.cache
def signals(kind: str) -> Mapping[str, Signal]:
    """Return what a kind of timelock can say, by topic."""
    if kind == "ds_pause":
        noted = [(text, "0x" + selector_of(text).hex().ljust(2 * WORD, "0"), what) for text, what in _NOTED.items()]
        return {topic: Signal(text.partition("(")[0], topic, what) for text, topic, what in noted}
    declared = [(events(kind)[name], what) for name, what in _SAID[kind].items()]
    if kind == "oz_timelock_controller":
        declared += [(events("access_control")[name], what) for name, what in _ROLES.items()]
    grouped = (*_BATCHED, *_BY_TRANSACTION)
    return {
        event.topic: Signal(event.name, event.topic, what, event, event.name in grouped) for event, what in declared
    }


def operations(kind: str, logs: Sequence[tuple[str, RawLog]]) -> list[list[int]]:
    """Group the places of logs, given with their transaction in the chain's order, into operations.

    A batch is one `CallScheduled` for each of its calls, all with one id; a governor queues each call of a proposal
    by itself, all in one transaction.
    """
    groups: dict[tuple[str, ...], list[int]] = {}
    for place, (transaction, log) in enumerate(logs):
        groups.setdefault(_operation(kind, transaction, log, place), []).append(place)
    return list(groups.values())


def _operation(kind: str, transaction: str, log: RawLog, place: int) -> tuple[str, ...]:
    signal = signals(kind).get(log.topics[0])
    if signal is None or not signal.grouped:
        return (str(place),)
    by_id = log.topics[1:2] if signal.name in _BATCHED else ()
    return (transaction, signal.name, *by_id)


def read_meaning(kind: str, chain: int, timelock: str, log: RawLog) -> Meaning:
    """Read what a log carries.

    Raises:
        AbiError: it is not what its kind emits.
    """
    signal = signals(kind)[log.topics[0]]
    if signal.event is None:
        return _noted(chain, timelock, log)
    fields = signal.event.decode(log.topics, log.data)
    return Meaning(
        _id(fields),
        _calls(fields, chain),
        _ready_at(fields),
        _integer(fields.get("delay")),
        _until(fields),
        tuple((name, text) for name, value in fields.items() if (text := _worded(name, value))),
    )


def _noted(chain: int, timelock: str, log: RawLog) -> Meaning:
    """A note carries the whole call; `plot(usr, tag, fax, eta)` runs `fax` as the pause proxy's own code at `usr`."""
    data = _NOTE.decode((_NOTE.topic,), log.data)["fax"]
    if not isinstance(data, bytes):
        raise AbiError("a note without its call")
    if len(data) < 4 + 4 * WORD:
        return Meaning("", (Transaction(chain, timelock, data),))
    eta = int.from_bytes(data[4 + 3 * WORD : 4 + 4 * WORD], "big")
    # The pause names a plan by the hash of what all three functions are called with.
    return Meaning("0x" + keccak256(data[4:]).hex(), (Transaction(chain, timelock, data),), eta)


def _id(fields: Mapping[str, AbiValue]) -> str:
    for name in ("id", "txHash", "operationId", "proposalId", "voteId"):
        value = fields.get(name)
        if isinstance(value, bytes):
            return "0x" + value.hex()
        if isinstance(value, int):
            return str(value)
    return ""


def _calls(fields: Mapping[str, AbiValue], chain: int) -> tuple[Transaction, ...]:
    target, value, data = fields.get("target"), fields.get("value", 0), fields.get("data", fields.get("callData"))
    if not isinstance(target, str) or not isinstance(data, bytes) or not isinstance(value, int):
        return ()
    return (Transaction(chain, target, with_signature(fields.get("signature", ""), data), value),)


def _ready_at(fields: Mapping[str, AbiValue]) -> int | None:
    """`delayedUntil` is the fourth part of a Maple proposal."""
    proposal = fields.get("proposal")
    if isinstance(proposal, tuple):
        return _integer(proposal[3])
    return _integer(fields.get("eta", fields.get("lockedUntil")))


def _until(fields: Mapping[str, AbiValue]) -> int | None:
    """`validUntil` is the fifth part of a Maple proposal."""
    proposal = fields.get("proposal")
    return _integer(proposal[4]) if isinstance(proposal, tuple) else None


def _integer(value: AbiValue | None) -> int | None:
    return value if isinstance(value, int) else None


def _worded(name: str, value: AbiValue) -> str:
    """Write a field that a reader wants next to the calls."""
    if name == "role" and isinstance(value, bytes):
        return roles().get(value) or "0x" + value.hex()
    if name in ("account", "creator", "newAdmin", "newPendingAdmin", "metadata"):
        return str(value)
    if name in ("oldDuration", "newDuration", "oldDelay", "newDelay") and isinstance(value, int):
        return str(value)
    if name in ("votesFor", "votesAgainst") and isinstance(value, int):
        return f"{value // 10**18:,}"
    return ("granted" if value else "revoked") if name == "grantRole" else ""


def new_delay_s(kind: str, log: RawLog) -> int | None:
    """Return the delay that a change sets, None where it cannot be read."""
    signal = signals(kind).get(log.topics[0])
    if signal is None or signal.what is not What.DELAY:
        return None
    try:
        if signal.event is None:
            call = _NOTE.decode((_NOTE.topic,), log.data)["fax"]
            return int.from_bytes(call[4 : 4 + WORD], "big") if isinstance(call, bytes) else None
        fields = signal.event.decode(log.topics, log.data)
        return _integer(fields.get("newDuration", fields.get("newDelay")))
    except (AbiError, SignatureError):
        return None


def moves_admin(kind: str, log: RawLog) -> bool:
    """Return whether an event moves the power over the timelock itself, which can shorten or skip its delay."""
    signal = signals(kind).get(log.topics[0])
    if signal is None or signal.what is not What.POWER:
        return False
    if not signal.name.startswith("Role"):
        return True
    role = from_hex(log.topics[1]) if len(log.topics) > 1 else b""
    return roles().get(role, "") in ("DEFAULT_ADMIN_ROLE", "TIMELOCK_ADMIN_ROLE", "GOVERNOR_ROLE")
