"""Which sentence a call gets: the descriptors of a team's own for its contract, else ours for its function.

It is a rung of the decoder's ladder too, for alerts only: what judges a transaction decodes by the own table alone.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import cast

from monitoring.chains.abi.addresses import is_address
from monitoring.chains.abi.selectors import Declaration
from monitoring.chains.decode.calldata import SELECTOR, DecodedCall, Transaction
from monitoring.chains.networks import DATA, read_data
from monitoring.chains.sentences.pattern import Pattern, parse_pattern

Place = tuple[int, str, bytes]  # chain, contract in lower case, selector


@functools.cache
def shipped() -> Mapping[bytes, Pattern]:
    """Return our own patterns by selector, from `data/sentences/*.yaml`."""
    found: dict[bytes, Pattern] = {}
    for file in sorted((DATA / "sentences").glob("*.yaml")):
        rows = cast("list[dict[str, str]]", read_data(f"sentences/{file.name}")["sentences"])
        for row in rows:
            pattern = parse_pattern(row["call"], row["says"])
            found[pattern.signature.declaration.function.selector] = pattern
    return MappingProxyType(found)


@dataclass(slots=True)
class Catalogue:
    """Sentences by function; `own` are those of a team's descriptors, each for one contract of one chain."""

    own: Mapping[Place, Pattern] = field(default_factory=dict)
    name: str = "sentence"
    exact: bool = False

    def pattern(self, call: DecodedCall) -> Pattern | None:
        """Return the pattern for a call that was decoded with just its types."""
        found = self._find(call.tx)
        fits = found is not None and call.signature == found.signature.declaration.function.signature
        return found if fits else None

    def candidates(self, tx: Transaction) -> Sequence[Declaration]:
        found = self._find(tx)
        return [found.signature.declaration] if found else []

    def _find(self, tx: Transaction) -> Pattern | None:
        selector = tx.data[:SELECTOR]
        mine = self.own.get((tx.chain_id, tx.to.lower(), selector)) if is_address(tx.to) else None
        return mine or shipped().get(selector)
