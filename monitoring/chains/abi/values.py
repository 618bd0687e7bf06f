"""The values everything here speaks in: a block, a reading with its time, and `Unknown`.

The code that judges readings uses them too. An `Unknown` is never good, never bad and never zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import TypeAlias

from monitoring.conditions.values import Unknown

__all__ = ["AbiValue", "Block", "Json", "Reading", "Unknown"]

AbiValue: TypeAlias = "int | bool | str | bytes | Fraction | tuple[AbiValue, ...]"
Json: TypeAlias = "bool | int | Decimal | str | list[Json] | dict[str, Json] | None"


@dataclass(frozen=True, slots=True)
class Block:
    """One block of one chain."""

    chain_id: int
    number: int
    hash: str
    at: datetime

    @property
    def tag(self) -> str:
        """The number as JSON-RPC wants it."""
        return hex(self.number)


@dataclass(frozen=True, slots=True)
class Reading:
    """An exact number with the moment it speaks of and where it came from."""

    value: Fraction
    at: datetime | None
    source: str
