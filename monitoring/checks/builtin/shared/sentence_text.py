"""A sentence about a call as a line of an alert: own names, and said where an address is in no monitor file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from monitoring.alerts.message.text import Block, addr, bold, line, link
from monitoring.chains.abi.addresses import checksum
from monitoring.chains.decode.labels import Labels
from monitoring.chains.networks import Network
from monitoring.chains.sentences.describe import Sentence
from monitoring.chains.sentences.fill import Mention

UNKNOWN = "unknown"
LEGEND = "unknown: in none of your monitor files"
NOT_OWN = "in none of your monitor files"
SHORT = 13  # how long a short address is: 0x1234…abcd


@dataclass(frozen=True, slots=True)
class SpelledSentence:
    """A line, and about how it reads, for its length."""

    block: Block
    text: str


@dataclass(frozen=True, slots=True)
class Spelled:
    """How addresses are written in the sentences of one message; `foreign` are names that others give.

    Those in `whole` are in no list below the sentences, so they are never short without a name.
    """

    labels: Labels
    known: Network
    foreign: Mapping[str, str]
    whole: frozenset[str] = frozenset()

    def sentence(self, one: Sentence) -> SpelledSentence:
        found = [pair for part in one.parts for pair in self._spans(part)]
        number: list[object] = [bold(f"{one.number}."), " "] if one.number else []
        return SpelledSentence(line(*number, *(span for span, _ in found)), one.number + "".join(t for _, t in found))

    def _spans(self, part: str | Mention) -> Iterator[tuple[object, str]]:
        """Yield each span with how it reads."""
        if isinstance(part, str):
            yield part, part
            return
        address, chain = checksum(part.address), self.known.id
        name = self.labels.name(chain, address)
        is_stranger = part.is_party and not self.labels.is_own(chain, address)
        if name:
            yield addr(address, name, self.known), f"{name} ({address[:SHORT]})"
        elif is_stranger or address in self.whole:
            # Whole: two addresses with the same ends are cheap to make.
            url = self.known.link("address", address=address)
            yield link(address, url) if url else address, address
        else:
            yield addr(address, chain=self.known), address[:SHORT]
        if is_stranger:
            hint = self.foreign.get(address, "")
            words = f" ({NOT_OWN if name else f'{UNKNOWN}; {hint}' if hint else UNKNOWN})"
            yield words, words
