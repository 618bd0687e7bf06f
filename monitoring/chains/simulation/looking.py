"""Reads the same views before and after simulated calls: balances, approvals, roles, owners, implementations, settings.

Events alone are what a contract says of itself: a hostile token emits what it likes. What cannot be read is `Unknown`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from monitoring.chains.abi.addresses import ZERO, SignatureError, checksum, keccak256
from monitoring.chains.abi.values import AbiValue, Unknown
from monitoring.chains.rpc.multicall import Call, call
from monitoring.chains.rpc.supposed import Supposed
from monitoring.chains.rpc.views import ChainView
from monitoring.chains.simulation.facts import MAX_LOGS, BeforeAfter, Grant, Setting, Simulation, TokenMove, looked_at
from monitoring.chains.simulation.running import Ran

MAX_CONTRACTS = 20
MAX_GRANTS = 20
IMPLEMENTATION = "0x360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc"  # EIP-1967
ADMIN = "0xb53127684a568b3173ae13b9f8a6016e243e63b6e8ee1178d6a717850b5d6103"  # EIP-1967
# Nobody's account with code that returns the balance of an address, so that no contract has to be there for that:
# PUSH1 4, CALLDATALOAD, BALANCE (of a slot: SLOAD), PUSH1 0, MSTORE, PUSH1 32, PUSH1 0, RETURN
_PROBE = checksum("0x" + keccak256("monitoring: balance probe").hex()[-40:])
_BALANCE_OF, _SLOT_OF = "0x6004353160005260206000f3", "0x6004355460005260206000f3"
_SETTINGS = (
    "owner()(address)", "pendingOwner()(address)", "admin()(address)", "paused()(bool)", "getMinDelay()(uint256)",
    "delay()(uint256)", "totalSupply()(uint256)",
)  # fmt: skip
# The view that says what an event says, and which fields of the event it takes.
_VIEW_OF: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "Approval": ("allowance(address,address)(uint256)", ("owner", "spender")),
    "ApprovalForAll": ("isApprovedForAll(address,address)(bool)", ("owner", "operator")),
    "RoleGranted": ("hasRole(bytes32,address)(bool)", ("role", "account")),
    "RoleRevoked": ("hasRole(bytes32,address)(bool)", ("role", "account")),
    "OwnershipTransferred": ("owner()(address)", ()),
}
_SLOT_OF_EVENT = {"Upgraded": IMPLEMENTATION, "AdminChanged": ADMIN}
K = TypeVar("K")


@dataclass(frozen=True, slots=True)
class Looks:
    """What to read in addition to what logs lead to: views of the own account, words of its storage, other settings.

    `contracts` are those that are called, as far as that is known; `settings` are views by contract.
    """

    own: str
    views: Mapping[str, Call]
    slots: Mapping[str, str]
    contracts: tuple[str, ...] = ()
    settings: tuple[tuple[str, str], ...] = ()


def look(ran: Ran, looks: Looks, view: ChainView) -> Simulation:
    """Read everything before and after calls that have run; `runs` and `reason` are the caller's to say."""
    logs = [log for end in ran.ends for log in end.logs]
    moves, grants = looked_at(logs)
    traced = [one for trace in ran.traces for one in trace.called]
    emitted = [str(log.get("address", "")) for log in logs[:MAX_LOGS]]
    touched = _contracts([*looks.contracts, *emitted, *traced], looks.own)
    found = Simulation(
        None, moves=moves, grants=grants, touched=touched, ran=ran, unread_logs=max(0, len(logs) - MAX_LOGS)
    )
    if ran.before is None or ran.after is None:
        return found
    states = (ran.before, ran.after)
    answers = _twice(_questions(looks, touched, moves, grants), states, view)
    slots = _twice_in_slots(_slot_questions(looks, grants), states, view)
    own = {name: answers["own", name] for name in looks.views} | {name: slots["own", name] for name in looks.slots}
    known = {name: both for name, pair in own.items() if (both := _known(pair))}
    return replace(
        found,
        changes={name: pair for name, pair in known.items() if pair[0] != pair[1]},
        same=tuple(name for name, pair in known.items() if pair[0] == pair[1]),
        unread=tuple(name for name in own if name not in known),
        balances=_balances(answers),
        seen={
            place: {**answers, **slots}["grant", place]
            for place in range(len(grants))
            if ("grant", place) in answers or ("grant", place) in slots
        },
        settings=tuple(_settings(answers)),
    )


def _contracts(addresses: Iterable[str], own: str) -> tuple[str, ...]:
    """Return whom calls concern, the own account and what is no contract left out."""
    out = {own.lower(), ZERO, "0x" + "ee" * 20, ""}
    return tuple(dict.fromkeys(one.lower() for one in addresses if one.lower() not in out))[: 10 * MAX_CONTRACTS]


def _questions(
    looks: Looks, touched: Sequence[str], moves: Sequence[TokenMove], grants: Sequence[Grant]
) -> dict[tuple[str, Any], Call]:
    own = looks.own
    tokens = [move.token for move in moves if own in (move.sender, move.receiver) and move.token != ZERO]
    holders = dict.fromkeys(map(checksum, [*tokens, *touched[:MAX_CONTRACTS]]))
    asked: dict[tuple[str, Any], Call] = {("own", name): one for name, one in looks.views.items()}
    asked["balance", ZERO] = call(_PROBE, "balance(address)(uint256)", own)
    asked |= {("balance", one): call(one, "balanceOf(address)(uint256)", own) for one in list(holders)[:MAX_CONTRACTS]}
    for place, one in enumerate(grants[:MAX_GRANTS]):
        if one.event in _VIEW_OF:
            signature, names = _VIEW_OF[one.event]
            asked["grant", place] = call(one.contract, signature, *(one.fields[name] for name in names))
    settings = [*looks.settings, *((one, view) for one in touched[:MAX_CONTRACTS] for view in _SETTINGS)]
    for contract, signature in dict.fromkeys(settings):
        try:
            asked["setting", (checksum(contract), signature)] = call(contract, signature)
        except SignatureError:
            continue
    return asked


def _slot_questions(looks: Looks, grants: Sequence[Grant]) -> dict[tuple[str, Any], tuple[str, str]]:
    asked: dict[tuple[str, Any], tuple[str, str]] = {
        ("own", name): (looks.own, slot) for name, slot in looks.slots.items()
    }
    for place, one in enumerate(grants[:MAX_GRANTS]):
        if one.event in _SLOT_OF_EVENT:
            asked["grant", place] = (one.contract, _SLOT_OF_EVENT[one.event])
    return asked


def _twice(asked: Mapping[K, Call], states: tuple[Supposed, Supposed], view: ChainView) -> dict[K, BeforeAfter]:
    probe = {_PROBE: {"code": _BALANCE_OF}}
    before, after = (view.supposing(state.also(probe)).read(asked) for state in states)
    return {name: (before[name], after[name]) for name in asked}


def _twice_in_slots(
    asked: Mapping[K, tuple[str, str]], states: tuple[Supposed, Supposed], view: ChainView
) -> dict[K, BeforeAfter]:
    """Read words of storage, as addresses: after the calls the contracts get code that returns them."""
    if not asked:
        return {}
    readers = {contract: {"code": _SLOT_OF} for contract, _ in asked.values()}
    calls = {
        name: call(contract, "word(bytes32)(address)", bytes.fromhex(slot[2:]))
        for name, (contract, slot) in asked.items()
    }
    before, after = (view.supposing(replace(state, then=readers)).read(calls) for state in states)
    return {name: (before[name], after[name]) for name in asked}


def _known(pair: BeforeAfter) -> tuple[AbiValue, AbiValue] | None:
    before, after = pair
    return None if isinstance(before, Unknown) or isinstance(after, Unknown) else (before, after)


def _balances(answers: Mapping[tuple[str, Any], BeforeAfter]) -> dict[str, BeforeAfter]:
    return {token: pair for (kind, token), pair in answers.items() if kind == "balance"}


def _settings(answers: Mapping[tuple[str, Any], BeforeAfter]) -> Iterable[Setting]:
    for (kind, name), pair in answers.items():
        known = _known(pair) if kind == "setting" else None
        if known is not None and known[0] != known[1]:
            contract, signature = name
            yield Setting(contract, signature.partition("(")[0], *known)
