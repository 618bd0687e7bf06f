"""What a call changes, in words: `fee(): 30 → 50`, or what it is now where the call does not say the new one. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from monitoring.chains.abi.addresses import ZERO, checksum, is_address
from monitoring.chains.abi.values import AbiValue, Unknown
from monitoring.chains.decode.calldata import DecodedCall
from monitoring.chains.decode.setters import ValueBefore
from monitoring.chains.sentences.fill import Known, Mention, Part, written
from monitoring.chains.sentences.pattern import Pattern, ValueSlot

MAX_LISTED = 10


def before_parts(
    states: Sequence[ValueBefore], call: DecodedCall, pattern: Pattern | None, known: Known
) -> Iterator[Part]:
    """Yield nothing where nothing was asked; what is not known is said to be so."""
    for place, one in enumerate(states):
        yield "; " if place else " ("
        yield from _one(one, call, pattern, known)
    if states:
        yield ")"


def _one(one: ValueBefore, call: DecodedCall, pattern: Pattern | None, known: Known) -> Iterator[Part]:
    then = "before" if known.is_done else "now"
    if isinstance(one.value, Unknown):
        yield f"{one.label or 'value'} {then}: unknown"
        return
    slot = _slot(one, call, pattern)
    old = list(_value(one.value, slot, call, known))
    if one.becomes is None:
        yield f"{one.label} {then}: "
        yield from old
        return
    after = call.arguments[one.becomes].value
    yield f"{one.label}: "
    yield from old
    if after == one.value:
        yield f", as it {'was' if known.is_done else 'is'} already"
    else:
        yield " → "
        yield from _value(after, slot, call, known)


def _slot(one: ValueBefore, call: DecodedCall, pattern: Pattern | None) -> ValueSlot:
    """Return the way in which the sentence writes the value that is changed, so that both are written alike."""
    if one.becomes is None:
        return ValueSlot((), "")
    kind = str(call.arguments[one.becomes].kind)
    slots = pattern.slots if pattern else ()
    return next((slot for slot in slots if slot.path == (one.becomes,)), ValueSlot((one.becomes,), kind))


def _value(value: AbiValue, slot: ValueSlot, call: DecodedCall, known: Known) -> Iterator[Part]:
    if isinstance(value, tuple) and all(is_address(one) for one in value):
        yield "" if value else "none"
        for place, one in enumerate(value[:MAX_LISTED]):
            yield ", " if place else ""
            yield Mention(checksum(str(one)))
        if len(value) > MAX_LISTED:
            yield f" and {len(value) - MAX_LISTED} more"
    elif value == ZERO:
        yield "none"
    elif is_address(value):
        yield Mention(checksum(str(value)))
    else:
        yield from written(slot, value, call, known)
