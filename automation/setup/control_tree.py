"""What an address is and who controls it, as a tree of lines that a person reads. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from automation.setup.monitor_files import describe
from automation.setup.watch import WatchWish, usual_name
from monitoring.chains.inspection.model import ContractFacts, ContractKind, Inspection
from monitoring.chains.networks import network

_WATCHED = (ContractKind.SAFE, ContractKind.TIMELOCK)


def tree(found: Inspection) -> str:
    """Return each contract once, under what it controls, up to the people."""
    lines = list(_lines(found, found.address, "", "", set()))
    if found.left_out:
        lines.append(f"… and {found.left_out} more, which were not read")
    return "".join(f"{line}\n" for line in lines)


def watches(found: Inspection) -> list[WatchWish]:
    """Return what should be watched: the contract, and each timelock and Safe behind it, each with a name."""
    start = found.facts
    wanted = [start, *(one for one in found.contracts.values() if one is not start and one.kind in _WATCHED)]
    kept = [one for one in wanted if one.kind not in (ContractKind.ACCOUNT, ContractKind.UNREAD)]
    return [_named(WatchWish(one.kind.value, found.chain, one.address), one) for one in kept]


def _named(watch: WatchWish, facts: ContractFacts) -> WatchWish:
    return WatchWish(watch.kind, watch.chain, watch.address, name=usual_name(watch, facts))


def _lines(found: Inspection, address: str, role: str, indent: str, seen: set[str]) -> Iterator[str]:
    facts = found.contracts.get(address)
    head = f"{indent}{role}: {address}" if role else f"{address} on {network(found.chain).name}"
    if facts is None or address in seen:
        yield f"{head} (see above)" if facts else f"{head} (not read)"
        return
    seen.add(address)
    yield head
    below = f"{indent}  "
    yield from (f"{below}{line}" for line in _about(facts))
    for controller, its_role in facts.controllers().items():
        yield from _lines(found, controller, its_role, below, seen)


def _about(facts: ContractFacts) -> Iterator[str]:
    yield describe(facts)
    if facts.implementation:
        yield f"implementation: {facts.implementation}"
    if facts.asset:
        yield f"asset: {facts.asset}"
    if facts.paused:
        yield "it is paused"
    if facts.problem:
        yield facts.problem
    if facts.timelock == "oz_timelock_controller" and not facts.roles:
        yield "its roles cannot be listed: read its RoleGranted events in an explorer"
    if facts.kind in (ContractKind.CONTRACT, ContractKind.TOKEN, ContractKind.VAULT) and not facts.controllers():
        yield "no owner, admin or role was found that can be listed"
