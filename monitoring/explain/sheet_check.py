"""Why a sheet of facts cannot be relied on; then nothing is explained. Pure.

Whatever made the facts, a call that was dropped, a detail of another block, an amount that is none, an effect of a
simulation that failed or a state before that the chain does not confirm must not get into a sentence.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from monitoring.alerts.message.facts import Fact, FactKind, FactSheet, reassures
from monitoring.chains.abi.addresses import checksum, is_address
from monitoring.chains.abi.selectors import table

_CALLS = (FactKind.CALL, FactKind.UNKNOWN)
_EFFECTS = (FactKind.MOVE, FactKind.ARRIVAL, FactKind.ALLOWANCE, FactKind.CONTROL, FactKind.CHANGE)
_SIMULATIONS = (FactKind.SIMULATED, FactKind.FAILED, FactKind.NOT_SIMULATED)
_MUST = frozenset(
    {FactKind.UNKNOWN, FactKind.FAILED, FactKind.NOT_SIMULATED, FactKind.UPGRADE, FactKind.CONTROL, FactKind.CHANGE,
     FactKind.REFUND, FactKind.FALSE}
)  # fmt: skip
_LEAST_BITS = 96  # of an integer that holds an amount of a token
_OWN_TABLE = "table"


def problem_of(sheet: FactSheet) -> str:
    """Return the first problem, in words for an operator; nothing where the facts hold together."""
    try:
        return next((problem for check in _CHECKS for problem in check(sheet)), "")
    except (AttributeError, KeyError, LookupError, TypeError, ValueError) as error:
        return f"a fact is not in the form that is known ({type(error).__name__})"


def _named(sheet: FactSheet) -> Iterator[str]:
    if not sheet.about:
        yield "they are not of one transaction that is still open"
    if any(not one.id for one in sheet.facts) or len(sheet.by_id()) != len(sheet.facts):
        yield "two facts have one id"
    for one in sheet.facts:
        if one.kind in _MUST and not one.must:
            yield f"{one.id} is of a kind that may not be left out, and is not marked so"


def _calls(sheet: FactSheet) -> Iterator[str]:
    """Every call has its fact: as many as were counted, at places without a gap, each with what it carries."""
    places = {one.data["place"]: one for one in sheet.facts if one.kind in _CALLS}
    if len(places) != sheet.calls or sum(one.kind in _CALLS for one in sheet.facts) != sheet.calls:
        yield f"of {sheet.calls} calls {len(places)} are among the facts"
    children = Counter(place.rpartition(".")[0] for place in places)
    for place, one in places.items():
        if children[place] != one.data["inner"]:
            yield f"call {place} carries {one.data['inner']} calls, {children[place]} are among the facts"
    for above, number in children.items():
        if above and above not in places:
            yield f"call {above} is not among the facts"
        prefix = f"{above}." if above else ""
        if any(f"{prefix}{nth}" not in places for nth in range(1, number + 1)):
            yield f"the calls in {above or 'the transaction'} are not numbered without a gap"
    for place, one in places.items():
        is_unknown = "arguments" not in one.data and one.data["selector"] != "0x"
        if is_unknown is not (one.kind is FactKind.UNKNOWN):
            yield f"call {place} is unknown and not called so, or the other way round"


def _blocks(sheet: FactSheet) -> Iterator[str]:
    for one in sheet.facts:
        is_read = one.kind in (*_SIMULATIONS, *_EFFECTS) or "block" in one.data
        if is_read and one.data["block"] != sheet.block:
            yield f"{one.id} is of block {one.data['block']}, the alert of block {sheet.block}"


def _simulated(sheet: FactSheet) -> Iterator[str]:
    """Only what ran has effects; what failed inside has at most the refund that is paid all the same."""
    found = [one for one in sheet.facts if one.kind in _SIMULATIONS]
    effects = [one for one in sheet.facts if one.kind in _EFFECTS or ("block" in one.data and one not in found)]
    if len(found) > 1:
        yield "it is simulated more than once"
    if effects and (not found or found[0].kind is FactKind.NOT_SIMULATED or found[0].data["looked"] is not True):
        yield f"{effects[0].id} is an effect of a simulation that looked at none"
    if not found or found[0].kind is not FactKind.FAILED:
        return
    pays = any(one.kind is FactKind.REFUND for one in sheet.facts)
    if wrong := next((one for one in effects if not (pays and one.kind is FactKind.MOVE)), None):
        yield f"{wrong.id} is an effect of a simulation that fails"


def _changes(sheet: FactSheet) -> Iterator[str]:
    """What was before is what the chain said apart from the simulation, and each thing changes once."""
    seen: set[tuple[object, ...]] = set()
    for one in sheet.facts:
        data = one.data
        if "view" not in data:
            continue
        identity = (data["contract"], data["view"], data.get("member", ""))
        if identity in seen:
            yield f"{one.id} changes what another fact changes"
        seen.add(identity)
        yield from _before(one, data, sheet)


def _before(one: Fact, data: Any, sheet: FactSheet) -> Iterator[str]:  # noqa: ANN401 - JSON
    known = sheet.state.get(data["view"]) if data.get("is_own") is True else None
    if "member" in data:
        is_there = isinstance(known, list) and data["member"] in known
        if isinstance(known, list) and is_there is not (data["what"] == "removes"):
            yield f"{one.id} {data['what']} {data['member']}, and the chain says otherwise"
    elif data["before"] == data["after"] or (known is not None and data["before"] != known):
        yield f"{one.id} says {data['before']} before, and the chain says {known if known is not None else 'no change'}"
    elif str(data["before"]) not in one.says or str(data["after"]) not in one.says:
        yield f"{one.id} does not say what it was made of"


def _amounts(sheet: FactSheet) -> Iterator[str]:
    """An amount is an integer wide enough, of the token that its function's own row names."""
    for one in sheet.facts:
        if one.kind is not FactKind.CALL:
            continue
        for place, argument in enumerate(one.data.get("arguments", ())):
            if "amount_of" in argument and (problem := _amount(one.data, place, argument)):
                yield f"{one.id}: argument {place + 1} is shown as an amount and is {problem}"


def _amount(call: Any, place: int, argument: Any) -> str:  # noqa: ANN401 - JSON
    kind = argument["kind"]
    if not kind.startswith("uint") or int(kind.removeprefix("uint") or 0) < _LEAST_BITS:
        return f"a {kind}"
    row = table().get(bytes.fromhex(call["selector"][2:]))
    if row is None or call["origin"] != _OWN_TABLE:
        return "of a function that we do not know"
    if row.amount.get("at") != place:
        return "none of this function"
    of = row.amount.get("of")
    named = "native" if of == "native" else call["to"] if of == "self" else call["arguments"][of]["value"]
    return "" if argument["amount_of"] == (checksum(named) if is_address(named) else named) else "of another token"


def _shown(sheet: FactSheet) -> Iterator[str]:
    if any(one.kind is FactKind.FALSE and one.data.get("contradiction") for one in sheet.facts):
        yield "it is shown falsely, so what it calls is not what would be signed"


def _words(sheet: FactSheet) -> Iterator[str]:
    """Nothing that a stranger named takes away care; it stands in quotes, where there is any."""
    for one in sheet.facts:
        if any(reassures(part.partition("”")[0]) for part in one.says.split("“")[1:]):
            yield f"{one.id} repeats a name that takes away care"


_CHECKS: tuple[Callable[[FactSheet], Iterator[str]], ...] = (
    _named, _shown, _calls, _blocks, _simulated, _changes, _amounts, _words,
)  # fmt: skip
