"""One reading of one check, as a run hands it over to be kept."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from typing import NamedTuple

from monitoring.conditions.condition import ConditionKey
from monitoring.conditions.severity import Severity
from monitoring.store.readings.exact_text import Column, Numeric, to_column
from monitoring.store.readings.inputs_text import NamedValues, inputs_as_text
from monitoring.store.readings.limits import NO_LIMITS, ReadingLimits


class ReadingState(IntEnum):
    """What a reading came to. Silences are not in it: they keep back messages, and the check is as bad as it is."""

    OK = 0
    PENDING = 1
    FIRING = 2
    NO_DATA = 3
    PAUSED = 4
    HAPPENED = 5  # an event, reported once: it does not last

    @property
    def word(self) -> str:
        """Return its name as the API writes it: `no_data`."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Series:
    """What is known of a check whatever it reads. `contracts` are (chain, address, name the author gave)."""

    key: ConditionKey
    protocol: str = ""
    severity: Severity = Severity.LOW
    verb: str = ""
    unit: str = ""
    about: str = ""
    formula: str = ""
    contracts: tuple[tuple[int, str, str], ...] = ()

    @property
    def columns(self) -> tuple[str | int, ...]:
        """Return it as its row holds it, the key left out."""
        contracts = json.dumps(self.contracts, ensure_ascii=False, separators=(",", ":"))
        return self.protocol, int(self.severity), self.verb, self.unit, self.about, self.formula, contracts

    @property
    def mark(self) -> int:
        """Return a number that is another one for another row, so that the row is compared without being read."""
        return zlib.crc32(repr(self.columns).encode())


class ReadingColumns(NamedTuple):
    """A reading as columns: made before the transaction, which others wait for."""

    key: tuple[str, ...]
    value: Column
    reference: Column
    limits: str
    inputs: str | None
    mark: int


@dataclass(frozen=True)  # no slots: its columns are made once
class CheckReading:
    """What a run read: `value` is none where it is no number, or could not be had.

    `reference` is the second value of a comparison. `inputs` are pairs of a name and an exact number, or another value
    in words, of the formula alone: no address of a provider and nothing secret.
    """

    series: Series
    state: ReadingState
    value: Numeric | None = None
    reference: Numeric | None = None
    severity: Severity = Severity.LOW
    limits: ReadingLimits = NO_LIMITS
    block: int | None = None
    inputs: NamedValues = ()

    @cached_property
    def columns(self) -> ReadingColumns:
        key, value, reference = self.series.key, to_column(self.value), to_column(self.reference)
        limits, inputs = self.limits.as_text(), inputs_as_text(self.inputs)
        return ReadingColumns(tuple(key.named.values()), value, reference, limits, inputs, self.series.mark)
