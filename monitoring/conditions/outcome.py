"""What comes of judging a condition: the next one, why, and what changed that is worth a message (mostly nothing)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

from monitoring.conditions.condition import Condition
from monitoring.conditions.severity import Severity
from monitoring.conditions.values import Json, Value

NO_FACTS: Mapping[str, Value] = MappingProxyType({})


class TransitionKind(StrEnum):
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
    INHIBITED = "inhibited"
    STILL_BAD = "still bad"
    HIGHER_LEVEL = "reached a worse level"
    WORSE_BY_STEP = "worse by a step"
    REMIND_DUE = "reminder due"
    UNHEARD = "the last message reached nobody"
    IN_CLEAR_BAND = "not yet clear"
    CLEARED = "good again"
    NEVER_FIRED = "never fired"
    DOES_NOT_APPLY = "does not apply"
    UNKNOWN = "unknown"
    SILENT_SOURCE = "unknown for too long"
    SEEDED = "first sight"
    BASELINE_STALE = "baseline too old, seeded again"
    HAPPENED = "happened"
    NOTHING_NEW = "nothing new"
    PAUSED = "paused"


@dataclass(frozen=True, slots=True)
class Entry:
    """One row, member, item or event that a transition speaks of.

    `thread` names the thing it is about for as long as it is followed, so that messages about it answer each other.
    """

    kind: str
    id: Value
    severity: Severity
    facts: Mapping[str, Value] = field(default_factory=dict)
    thread: str = ""


@dataclass(frozen=True, slots=True)
class Transition:
    """A change worth a message: without one nobody hears of anything.

    `since` is when the condition began, `detail` a reason in words.
    """

    kind: TransitionKind
    severity: Severity
    reason: Reason
    since: datetime
    facts: Mapping[str, Value] = field(default_factory=dict)
    entries: tuple[Entry, ...] = ()
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The next condition, what to say of the check and of its source (mostly nothing), and why."""

    condition: Condition
    reason: Reason
    transition: Transition | None = None
    source: Transition | None = None

    def remembering(self, memory: Mapping[str, Json]) -> Outcome:
        return replace(self, condition=replace(self.condition, memory=memory))
