"""One reading of one check, as a run hands it over to be kept."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from enum import IntEnum

from monitoring.conditions.condition import ConditionKey
from monitoring.conditions.severity import Severity
from monitoring.store.readings.exact_text import Numeric
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


@dataclass(frozen=True, slots=True)
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
    inputs: tuple[tuple[str, Numeric | str], ...] = ()
