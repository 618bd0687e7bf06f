"""One condition: what is remembered of (monitor, check, chain, subject), what it can turn into, and why.

A transition is the only thing that becomes a message; without one nobody is told anything. The rules are in
`settle.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

from monitoring.alerts.message.model import Severity
from monitoring.checks.expression.values import Json, Number, Value

NO_FACTS: Mapping[str, Value] = MappingProxyType({})


class State(StrEnum):
    """Where a condition stands."""

    OK = "ok"
    PENDING = "pending"
    FIRING = "firing"


class Kind(StrEnum):
    """What a transition says. `eased`: one of several things is over, the condition goes on."""

    FIRED = "fired"
    WORSENED = "worsened"
    REMINDER = "reminder"
    EASED = "eased"
    RECOVERED = "recovered"
    SOURCE_TROUBLE = "source_trouble"
    SOURCE_RECOVERED = "source_recovered"


class Reason(StrEnum):
    """Why a reading led to what it led to; logs, `explain` and tests show it."""

    GOOD = "good"
    BREACHED = "breached"
    HOLDING = "not held long enough"
    STILL_BAD = "still bad"
    HIGHER_LEVEL = "reached a worse level"
    WORSE_BY_STEP = "worse by a step"
    REMIND_DUE = "reminder due"
    IN_CLEAR_BAND = "not yet clear"
    CLEARED = "good again"
    DOES_NOT_APPLY = "does not apply"
    UNKNOWN = "unknown"
    SILENT_SOURCE = "unknown for too long"
    SEEDED = "first sight"
    BASELINE_STALE = "baseline too old, seeded anew"
    HAPPENED = "happened"
    NOTHING_NEW = "nothing new"


@dataclass(frozen=True, slots=True)
class Entry:
    """One row, member, item or event that a transition speaks of."""

    kind: str
    id: Value
    severity: Severity
    facts: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Transition:
    """A change worth a message. `since` is when the condition began, `detail` a reason in words."""

    kind: Kind
    severity: Severity
    reason: Reason
    since: datetime
    facts: Mapping[str, Value] = field(default_factory=dict)
    entries: tuple[Entry, ...] = ()
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Blindness:
    """Since when, and for how many readings, the value has been unknown; and whether that was told.

    `source` is what is to blame for the last one (nothing: the check itself), `reason` what it said.
    """

    since: datetime
    runs: int
    told: bool = False
    source: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Held:
    """How long a level has been breached without a good reading between."""

    runs: int
    since: datetime


@dataclass(frozen=True, slots=True)
class Condition:
    """All that is remembered between two runs; see `record.py` for its row.

    `rank` and `worst` are what was told last, `held` has one entry per level breached now (the mildest first),
    `memory` belongs to the verb.
    """

    state: State = State.OK
    severity: Severity | None = None
    since: datetime | None = None
    last_sent: datetime | None = None
    rank: int = -1
    worst: Number | None = None
    held: tuple[Held, ...] = ()
    blind: Blindness | None = None
    memory: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The next condition, what to say of the check and of its source (mostly nothing), and why."""

    condition: Condition
    reason: Reason
    transition: Transition | None = None
    source: Transition | None = None

    def remembering(self, memory: Mapping[str, Json]) -> Outcome:
        return replace(self, condition=replace(self.condition, memory=memory))
