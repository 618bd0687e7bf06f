"""What a call would change, as it is now: views and slots by `data/setters.yaml`, all calls in one request.

Called for alerts. A view that does not answer leaves the value unknown, which is never taken for "no change".
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, cast

from monitoring.chains.abi.addresses import SignatureError, address_in, checksum, is_address
from monitoring.chains.abi.function import Function, parse_function
from monitoring.chains.abi.values import AbiValue, Unknown
from monitoring.chains.decode.calldata import DecodedCall
from monitoring.chains.networks import read_data
from monitoring.chains.rpc.multicall import Call
from monitoring.chains.rpc.views import ChainView

MAX_CALLS = 24  # of one transaction, whose state is read: one multicall of about a hundred views


@dataclass(frozen=True, slots=True)
class StateRead:
    """One thing to read: of `target`, a view or a slot. Several of one `label` are tries, of which the first counts."""

    label: str
    target: str
    call: Call | None = None
    slot: str = ""
    pick: int | None = None
    becomes: int | None = None


@dataclass(frozen=True, slots=True)
class ValueBefore:
    """What is there now; `value` is `Unknown` where no view gave it, `becomes` the place of the new value."""

    label: str
    value: AbiValue | Unknown
    becomes: int | None = None


def states_before(view: ChainView, calls: Sequence[DecodedCall]) -> list[tuple[ValueBefore, ...]]:
    """Return for each call what it changes, as it is now; nothing for a call that is no setter."""
    wanted = [reads_of(one) if place < MAX_CALLS else [] for place, one in enumerate(calls)]
    views = {one.call: one.call for reads in wanted for one in reads if one.call}
    slots = [(one.target, one.slot) for reads in wanted for one in reads if one.slot]
    answers = view.attempt(views) if views else {}
    words = view.storage(slots) if slots else {}
    return [tuple(_found(reads, answers, words)) for reads in wanted]


def _found(
    reads: Sequence[StateRead],
    answers: Mapping[Call, AbiValue | Unknown],
    words: Mapping[tuple[str, str], bytes | Unknown],
) -> Iterator[ValueBefore]:
    for label in dict.fromkeys(one.label for one in reads):
        tries = [one for one in reads if one.label == label]
        values = [_value(one, answers, words) for one in tries]
        chosen = next((place for place, value in enumerate(values) if not isinstance(value, Unknown)), None)
        if chosen is None:
            yield ValueBefore(label, values[0])
            continue
        asked = tries[chosen].call
        yield ValueBefore(label or (f"{asked.function.name}()" if asked else ""), values[chosen], tries[chosen].becomes)


def _value(
    one: StateRead,
    answers: Mapping[Call, AbiValue | Unknown],
    words: Mapping[tuple[str, str], bytes | Unknown],
) -> AbiValue | Unknown:
    if one.call is None:
        word = words[one.target, one.slot]
        return word if isinstance(word, Unknown) else address_in(word)
    found = answers[one.call]
    if one.pick is None or isinstance(found, Unknown):
        return found
    return found[one.pick] if isinstance(found, tuple) else Unknown("the view answers something else")


def reads_of(one: DecodedCall) -> list[StateRead]:
    """Return what is read of the chain for one call; nothing for a call that is no setter."""
    declaration = one.declaration
    if declaration is None or not is_address(one.tx.to) or declaration.upgrade or declaration.flag == "approval":
        return []
    rows = _rows().get(declaration.function.selector)
    if rows is None:
        return list(_by_rule(one, declaration.function))
    return [read for row in rows if (read := _by_row(row, one)) is not None]


def _by_row(row: Mapping[str, Any], one: DecodedCall) -> StateRead | None:
    values = [argument.value for argument in one.arguments]
    target = values[row["at"]] if "at" in row else one.tx.to
    if not is_address(target):
        return None
    target = checksum(str(target))
    if "slot" in row:
        return StateRead(row["says"], target, slot=row["slot"], becomes=row.get("becomes"))
    function = parse_function(row["view"])
    args = [_argument(place, values) for place in row.get("with", ())]
    label = row.get("says") or f"{function.name}()"
    return StateRead(label, target, _call(target, function, args), pick=row.get("pick"), becomes=row.get("becomes"))


def _argument(place: int | str, values: Sequence[AbiValue]) -> AbiValue:
    if isinstance(place, int):
        return values[place]
    text = place.removeprefix("=")
    return int(text) if text.isdecimal() else text


def _by_rule(one: DecodedCall, setter: Function) -> Iterator[StateRead]:
    """Yield every view that may hold what a setter sets, by its name and types."""
    rules = _rules()
    prefix = next((text for text in rules["prefixes"] if setter.name.startswith(text)), "")
    rest = setter.name.removeprefix(prefix)
    is_word = prefix.endswith("_") or rest[:1].isupper()
    if not prefix or not rest or not is_word or not setter.inputs or setter.inputs[-1].members:
        return
    kinds, last = ",".join(map(str, setter.inputs[:-1])), len(setter.inputs) - 1
    args = [argument.value for argument in one.arguments[:-1]]
    for form in rules["views"]:
        name = form.format(name=rest[:1].lower() + rest[1:], Name=rest)
        try:
            function = parse_function(f"{name}({kinds})({setter.inputs[-1]})")
        except SignatureError:  # set_1st: no name of a function follows from it
            continue
        yield StateRead("", one.tx.to, _call(one.tx.to, function, args), becomes=last)


def _call(target: str, function: Function, args: Sequence[AbiValue]) -> Call | None:
    try:
        return Call(target, function, function.encode(args))
    except SignatureError:
        return None


@functools.cache
def _rows() -> Mapping[bytes, list[dict[str, Any]]]:
    rows = cast("list[dict[str, Any]]", read_data("setters.yaml")["calls"])
    return MappingProxyType({parse_function(row["call"]).selector: row["reads"] for row in rows})


@functools.cache
def _rules() -> Mapping[str, list[str]]:
    return cast("Mapping[str, list[str]]", read_data("setters.yaml")["rules"])
