"""Every call of a transaction in one sentence each, numbered as in its batch; what is not known is said to be so.

Called for alerts. A call is never left out: one without a pattern gets a sentence that says what is unknown of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from monitoring.chains.abi.addresses import checksum, is_address
from monitoring.chains.decode.calldata import SELECTOR, DecodedCall
from monitoring.chains.decode.foreign_names import quoted
from monitoring.chains.decode.labels import Labels, is_multisend
from monitoring.chains.decode.setters import ValueBefore
from monitoring.chains.rpc.multicall import Call, call
from monitoring.chains.sentences.before import before_parts
from monitoring.chains.sentences.catalogue import Catalogue
from monitoring.chains.sentences.fill import Known, Mention, Part, filled, token_of
from monitoring.chains.sentences.pattern import VALUE, Pattern

_ORIGINS = {
    "4byte": " (its name is a guess, by a public list of names)",
    "abi": " (its name is from the verified source)",
}


@dataclass(frozen=True, slots=True)
class Sentence:
    """What one call means. `number` is empty for a transaction alone, `2.1` for the first call in the second."""

    number: str
    parts: tuple[Part, ...]
    call: DecodedCall

    def __str__(self) -> str:
        words = "".join(part if isinstance(part, str) else part.address for part in self.parts)
        return f"{self.number}. {words}" if self.number else words

    def unknown_parties(self, labels: Labels, chain_id: int) -> list[str]:
        """Return the addresses one should know, and neither a monitor file nor our list names."""
        parties = [part.address for part in self.parts if isinstance(part, Mention) and part.is_party]
        return [one for one in parties if not labels.is_own(chain_id, one) and not labels.name(chain_id, one)]


def numbered(decoded: Sequence[DecodedCall]) -> Iterator[tuple[str, DecodedCall]]:
    """Yield every call with its number: calls of a single batch are counted from 1, calls in them from 1.1."""
    for place, one in enumerate(decoded, 1):
        yield from _numbered(str(place) if len(decoded) > 1 else "", one)


def _numbered(number: str, one: DecodedCall) -> Iterator[tuple[str, DecodedCall]]:
    yield number, one
    for place, inside in enumerate(one.inner, 1):
        yield from _numbered(f"{number}.{place}" if number else str(place), inside)


def views_of(decoded: Sequence[DecodedCall], catalogue: Catalogue) -> dict[tuple[str, str], Call]:
    """Return the views that sentences need, by contract in lower case and signature."""
    found: dict[tuple[str, str], Call] = {}
    for one, pattern in _patterns(decoded, catalogue):
        for slot in pattern.slots:
            if slot.view and is_address(one.tx.to):
                found[one.tx.to.lower(), slot.view] = call(one.tx.to.lower(), slot.view)
    return found


def tokens_of(decoded: Sequence[DecodedCall], catalogue: Catalogue, known: Known) -> list[str]:
    """Return the tokens whose symbol and decimals sentences need."""
    pairs = [(one, slot) for one, pattern in _patterns(decoded, catalogue) for slot in pattern.slots]
    found = [token_of(slot, one, known) for one, slot in pairs if slot.form == "token"]
    return list(dict.fromkeys(filter(None, found)))


def _patterns(decoded: Sequence[DecodedCall], catalogue: Catalogue) -> Iterator[tuple[DecodedCall, Pattern]]:
    for one in (inside for outer in decoded for inside in outer.walk()):
        if pattern := catalogue.pattern(one):
            yield one, pattern


def sentences(
    decoded: Sequence[DecodedCall],
    catalogue: Catalogue,
    known: Known,
    before: Sequence[Sequence[ValueBefore]] = (),
) -> tuple[Sentence, ...]:
    """Return one sentence for every call, in the order of calls; `before` has what each changes, in the same order."""
    found: list[Sentence] = []
    for place, (number, one) in enumerate(numbered(decoded)):
        pattern = catalogue.pattern(one)
        states = before_parts(before[place] if place < len(before) else (), one, pattern, known)
        found.append(Sentence(number, (*_words(one, pattern, known), *states), one))
    return tuple(found)


def _words(one: DecodedCall, pattern: Pattern | None, known: Known) -> Iterator[Part]:
    if one.tx.operation and not (one.tx.operation == 1 and is_multisend(one.tx.to)):
        yield "As a delegate call, with all rights of the caller: "
    if pattern is None:
        yield from _unknown(one, known)
    else:
        yield from filled(pattern, one, known)
        if pattern.source:
            yield f" (words of the descriptor {quoted(pattern.source)})"
    says_value = pattern is not None and any(slot.path == VALUE for slot in pattern.slots)
    if one.tx.value and one.tx.data and not says_value:
        yield f", with {_native(one, known)}"
    if one.note not in ("", "no calldata", "unknown function"):
        yield f" [{one.note}]"


def _unknown(one: DecodedCall, known: Known) -> Iterator[Part]:
    if not one.tx.data:
        yield f"Sends {_native(one, known) if one.tx.value else 'nothing'} to "
        yield _target(one)
    elif one.declaration is None:
        is_function = len(one.tx.data) >= SELECTOR
        yield f"Calls {f'unknown function 0x{one.selector.hex()}' if is_function else 'no function'} of "
        yield from (_target(one), ": what it does is not known")
    else:
        yield from (f"Calls {one.declaration.function.name} of ", _target(one), _ORIGINS.get(one.origin, ""))


def _target(one: DecodedCall) -> Part:
    return Mention(checksum(one.tx.to), is_party=True) if is_address(one.tx.to) else "an unknown target"


def _native(one: DecodedCall, known: Known) -> str:
    native = known.names.native.get(one.tx.chain_id)
    return native.amount(one.tx.value) if native else f"{one.tx.value} wei"
