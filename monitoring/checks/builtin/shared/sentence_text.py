"""A sentence about a call as a line of an alert: own names, and said where an address is in no monitor file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from monitoring.alerts.message.text import Block, addr, bold, line, link
from monitoring.chains.abi.addresses import checksum
from monitoring.chains.decode.labels import Labels
from monitoring.chains.networks import Network
from monitoring.chains.sentences.describe import Sentence
from monitoring.chains.sentences.fill import Mention

UNKNOWN = " (unknown: in none of your monitor files)"
NOT_OWN = " (in none of your monitor files)"


def sentence_line(one: Sentence, labels: Labels, known: Network, foreign: Mapping[str, str]) -> Block:
    """Write a sentence; `foreign` are names that others give to addresses nobody of the team knows."""
    spans = [span for part in one.parts for span in _spans(part, labels, known, foreign)]
    return line(*([bold(f"{one.number}."), " "] if one.number else []), *spans)


def _spans(part: str | Mention, labels: Labels, known: Network, foreign: Mapping[str, str]) -> Iterator[object]:
    if isinstance(part, str):
        yield part
        return
    name = labels.name(known.id, part.address)
    is_stranger = part.is_party and not labels.is_own(known.id, part.address)
    if name:
        yield addr(part.address, name, known)
    elif is_stranger:
        # Whole: two addresses with the same ends are cheap to make.
        url = known.link("address", address=checksum(part.address))
        yield link(checksum(part.address), url) if url else checksum(part.address)
    else:
        yield addr(part.address, chain=known)
    if is_stranger:
        hint = foreign.get(part.address, "")
        yield NOT_OWN if name else f"{UNKNOWN[:-1]}; {hint})" if hint else UNKNOWN
