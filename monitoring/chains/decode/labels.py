"""Names for addresses: curated first, then what the caller knows, always with the short address."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import cast

from monitoring.chains.abi.addresses import checksum, short
from monitoring.chains.networks import read_data

ANY_CHAIN = 0


@functools.cache
def _rows() -> Mapping[tuple[int, str], dict[str, object]]:
    rows = cast("list[dict[str, object]]", read_data("labels.yaml")["labels"])
    return {(cast("int", row["chain"]), cast("str", row["address"])): row for row in rows}


class Labels:
    """Looks names up by (chain, address): curated ones, then those of a team's own monitor files.

    Names that others choose are none of these (`foreign_names`): they never take an address's place.
    """

    def __init__(self, own: Mapping[tuple[int, str], str] | None = None) -> None:
        self._own = {(chain, checksum(address)): name for (chain, address), name in (own or {}).items()}

    def name(self, chain_id: int, address: str) -> str:
        """Return a name, or nothing."""
        key = checksum(address)
        for chain in (chain_id, ANY_CHAIN):
            row = _rows().get((chain, key))
            if row is not None:
                return cast("str", row["label"])
        return self._own.get((chain_id, key)) or self._own.get((ANY_CHAIN, key)) or ""

    def is_own(self, chain_id: int, address: str) -> bool:
        """Return whether a monitor file of the team names it: only that makes an address known."""
        key = checksum(address)
        return (chain_id, key) in self._own or (ANY_CHAIN, key) in self._own

    def text(self, chain_id: int, address: str) -> str:
        """Return `Name (0x1234…abcd)`, or the whole address where there is no name."""
        name = self.name(chain_id, address)
        return f"{name} ({short(checksum(address))})" if name else checksum(address)


def is_multisend(address: str) -> bool:
    """Return whether this is a published MultiSend, by its address: anybody can copy its selector."""
    row = _rows().get((ANY_CHAIN, checksum(address))) if address else None
    return row is not None and row.get("multisend") is True
