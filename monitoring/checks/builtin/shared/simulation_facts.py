"""Facts of a simulation, next to its text: what moves, who is granted what, what differs afterwards, at which block."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from monitoring.alerts.message.facts import Fact, FactKind, quoted
from monitoring.chains.abi.addresses import ZERO, checksum, is_address
from monitoring.chains.abi.values import AbiValue, Unknown
from monitoring.chains.decode.flags import is_unlimited
from monitoring.chains.decode.format_tx import Names
from monitoring.chains.rpc.tokens import Token
from monitoring.chains.rpc.views import ChainView
from monitoring.chains.simulation.facts import BeforeAfter, Grant, Setting, Simulation, TokenMove
from monitoring.checks.builtin.shared.call_facts import address_words, amount_words, spelled
from monitoring.checks.builtin.shared.own_checks import Effect

_ALLOWANCES = ("Approval", "ApprovalForAll")
# Views that say who controls an account.
_CONTROL = frozenset({"owners", "modules", "threshold"})
_LONGEST_REASON = 120


def simulation_facts(found: Simulation, own: str, view: ChainView, names: Names) -> list[Fact]:
    """Return what a simulation found; `own` is whose tokens leave. What was not looked at is no fact."""
    chain, block = view.network.id, view.block.number
    seen: dict[str, Any] = {"block": block, "looked": found.changes is not None}
    if found.runs is None:
        return [Fact(FactKind.NOT_SIMULATED, f"could not be simulated: {_reason(found.reason)}", seen, must=True)]
    unseen = f"; {found.unread_logs} of its events were not looked at" if found.unread_logs else ""
    made = [Fact(FactKind.SIMULATED, f"runs in a simulation at block {block}{unseen}", seen, must=bool(unseen))]
    if not found.runs:
        says = f"fails in a simulation at block {block}: {_reason(found.reason)}"
        made = [Fact(FactKind.FAILED, says, seen, must=True)]
    if found.changes is None:
        return made
    own = checksum(own)
    made += [_move(one, own, chain, block, names) for one in found.moves]
    made += [_grant(one, found.seen.get(place), chain, block, names) for place, one in enumerate(found.grants)]
    made += [_setting(one, chain, block, names) for one in found.settings]
    made += [fact for name, pair in found.changes.items() for fact in _changes(name, pair, own, chain, block, names)]
    return made


def _reason(text: str) -> str:
    """Return why it fails, in our words; what a contract or a provider says of that comes after a colon.

    Of theirs only a plain name is repeated, in quotes, such as `GS013`: the alert itself has all of it.
    """
    ours, _, theirs = text.partition(": ")
    said = f": {quoted(theirs) or 'the contract gives a text'}" if theirs else ""
    return f"{ours[:_LONGEST_REASON]}{said}" if ours else "no reason is given"


def _token(names: Names, chain: int, address: str) -> Token | None:
    return names.native.get(chain) if address == ZERO else names.token(chain, address)


def _amount(names: Names, chain: int, token: str, units: int) -> str:
    known = _token(names, chain, token)
    if known is None:
        return f"{units} smallest units of {address_words(chain, token, names)}"
    return amount_words(known, units, of_chain=token == ZERO)


def _move(one: TokenMove, own: str, chain: int, block: int, names: Names) -> Fact:
    what = f"number {one.amount} of {address_words(chain, one.token, names)}" if one.is_one else _amount(
        names, chain, one.token, one.amount
    )  # fmt: skip
    ends = f"from {address_words(chain, one.sender, names)} to {address_words(chain, one.receiver, names)}"
    data = {"token": one.token, "from": one.sender, "to": one.receiver, "amount": str(one.amount), "block": block}
    kind = FactKind.MOVE if one.sender == own else FactKind.ARRIVAL
    return Fact(kind, f"moves {what} {ends}", data, must=kind is FactKind.MOVE)


def _grant(one: Grant, pair: BeforeAfter | None, chain: int, block: int, names: Names) -> Fact:
    data: dict[str, Any] = {
        "contract": one.contract, "event": one.event, "block": block,
        "fields": {name: value.hex() if isinstance(value, bytes) else str(value) for name, value in one.fields.items()},
    }  # fmt: skip
    says = _granted(one, chain, names)
    if pair is not None and pair[0] == pair[1] and not isinstance(pair[0], Unknown):
        contract = address_words(chain, one.contract, names)
        says = f"makes {contract} report {one.event}, and its view answers the same before and after"
    if one.event in _ALLOWANCES:
        given = one.fields.get("approved" if one.event == "ApprovalForAll" else "amount", 0)
        return Fact(FactKind.ALLOWANCE, says, data, must=is_unlimited(given, "uint256"))
    if one.event == "Upgraded":
        data |= {"proxy": one.contract, "new": str(one.fields.get("implementation"))}
        return Fact(FactKind.UPGRADE, says, data, must=True)
    return Fact(FactKind.CONTROL, says, data, must=True)


_GRANTED: Mapping[str, str] = {
    "OwnershipTransferred": "moves the ownership of {contract} from {from} to {to}",
    "RoleGranted": "gives the role {role} of {contract} to {account}",
    "RoleRevoked": "takes the role {role} of {contract} from {account}",
    "Upgraded": "sets the code of {contract} to {implementation}",
    "AdminChanged": "moves the admin of {contract} from {from} to {to}",
}


def _granted(one: Grant, chain: int, names: Names) -> str:
    fields = {name: spelled(value, chain, names) for name, value in one.fields.items()}
    contract = address_words(chain, one.contract, names)
    if one.event == "Approval":
        amount = one.fields.get("amount")
        units = amount if isinstance(amount, int) else 0
        is_all = is_unlimited(units, "uint256")
        what = f"unlimited {contract}" if is_all else _amount(names, chain, one.contract, units)
        return f"lets {fields['spender']} take {what} from {fields['owner']}"
    if one.event == "ApprovalForAll":
        verb = "lets" if one.fields.get("approved") is True else "no longer lets"
        return f"{verb} {fields['operator']} move everything of {contract} that {fields['owner']} has"
    if one.event in _GRANTED:
        return _GRANTED[one.event].format(contract=contract, **fields)
    shown = ", ".join(f"{name} {text}" for name, text in fields.items())
    return f"makes {contract} report {one.event}: {shown}"


def _setting(one: Setting, chain: int, block: int, names: Names) -> Fact:
    ends = [spelled(value, chain, names) for value in (one.before, one.after)]
    says = f"changes the {one.name} of {address_words(chain, one.contract, names)} from {ends[0]} to {ends[1]}"
    data = {"contract": one.contract, "view": one.name, "before": ends[0], "after": ends[1], "block": block}
    return Fact(FactKind.CHANGE, says, data, must=True)


def effect_facts(effects: Sequence[Effect], block: int) -> list[Fact]:
    """Return what becomes of our own checks; one that fires afterwards may not be left out."""
    return [
        Fact(
            FactKind.CHANGE,
            f"takes our check {one.name} from {one.before} to {one.after}"
            + (f" (allowed: {one.bound})" if one.bound else "")
            + (f": {one.becomes.name}" if one.becomes else ""),
            {"contract": "", "view": f"check {one.name}", "before": one.before, "after": one.after, "block": block},
            must=True,
        )
        for one in effects
    ]


def _changes(
    name: str, pair: tuple[AbiValue, AbiValue], own: str, chain: int, block: int, names: Names
) -> Iterator[Fact]:
    """Yield a view that differs afterwards; of a list one fact for each member that comes or goes."""
    before, after = pair
    data: dict[str, Any] = {"contract": own, "view": name, "block": block, "is_own": True}
    where, kind = address_words(chain, own, names), FactKind.CONTROL if name in _CONTROL else FactKind.CHANGE
    if not isinstance(before, tuple) or not isinstance(after, tuple):
        values = {"before": spelled(before, chain, names), "after": spelled(after, chain, names)}
        says = f"changes the {name} of {where} from {values['before']} to {values['after']}"
        yield Fact(kind, says, data | values, must=True)
        return
    for what, some in (("adds", set(after) - set(before)), ("removes", set(before) - set(after))):
        for one in sorted(map(str, some)):
            shown = address_words(chain, one, names) if is_address(one) else one
            preposition = "to" if what == "adds" else "from"
            values = {"what": what, "member": one}
            yield Fact(kind, f"{what} {shown} {preposition} the {name} of {where}", data | values, must=True)
