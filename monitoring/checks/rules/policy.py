"""How a check reacts to what it sees: severities, `for`, `remind`, `worse_by`, the silence limit, steps.

Plain data, read by the verbs. A policy never looks at a clock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from typing import TypeVar

from monitoring.alerts.message.model import Severity
from monitoring.base.errors import UsageError
from monitoring.checks.expression.values import Number, magnitude

T = TypeVar("T", Number, timedelta)


def either(severity: Severity | None, otherwise: Severity) -> Severity:
    """Return the severity where there is one; LOW counts as one though its number is 0."""
    return otherwise if severity is None else severity


@dataclass(frozen=True, slots=True)
class PendingPolicy:
    """`for`: a breach counts once it was seen in `runs` readings in a row, the first at least `span` ago."""

    runs: int = 1
    span: timedelta = timedelta(0)

    def is_met(self, runs: int, since: datetime, now: datetime) -> bool:
        return runs >= self.runs and now - since >= self.span


@dataclass(frozen=True, slots=True)
class NoDataPolicy:
    """How long a reading may stay unknown before its source is reported: whichever comes first."""

    runs: int = 3
    span: timedelta = timedelta(hours=3)

    def is_over(self, runs: int, since: datetime, now: datetime) -> bool:
        return runs >= self.runs or now - since >= self.span


@dataclass(frozen=True, slots=True)
class Step:
    """A size of change: relative to what it is measured from (`15%`), or in the value's own unit."""

    size: Number
    relative: bool = False

    def exceeded_by(self, change: Number, base: Number) -> bool:
        """Tell whether a change from `base` is larger; exactly as large is not. From 0 any change is."""
        if not self.relative:
            return magnitude(change) > self.size
        return magnitude(change) > magnitude(base) * self.size


NO_STEP = Step(0)
# How often a condition that goes on firing is reported again, where its check does not say. Milder ones are not.
USUAL_REMINDERS: Mapping[Severity, timedelta] = {
    Severity.CRITICAL: timedelta(hours=6),
    Severity.HIGH: timedelta(days=1),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What every verb understands.

    `remind` repeats a standing alert; without it `usual_reminders` has it repeated by its severity. `worse_by` is the
    step beyond the worst value told that is told again.
    """

    severity: Severity = Severity.MEDIUM
    hold: PendingPolicy = PendingPolicy()
    remind: timedelta | None = None
    usual_reminders: bool = False
    worse_by: Number | None = None
    silence: NoDataPolicy = NoDataPolicy()

    @property
    def all_severities(self) -> tuple[Severity, ...]:
        """How bad a check can be, the mildest first."""
        levels = getattr(self, "levels", ()) or getattr(self, "steps", ())
        return tuple(dict.fromkeys(level.severity for level in levels)) or (self.severity,)

    def remind_after(self, severity: Severity) -> timedelta | None:
        """Return when a standing alert of this severity is reported again, None for never."""
        if self.remind is None and self.usual_reminders:
            return USUAL_REMINDERS.get(severity)
        return self.remind


def check_ladder(bounds: Sequence[T], severities: Sequence[Severity], *, rising: bool, what: str) -> None:
    """See that levels go from the mildest bound to the worst, or ranks would mean nothing.

    Raises:
        UsageError: they do not, or there are none.
    """
    steps = [(after > before) is rising and after != before for before, after in pairwise(bounds)]
    if not bounds or not all(steps) or any(after < before for before, after in pairwise(severities)):
        raise UsageError(f"the levels of {what} must go from the mildest bound to the worst, at least one")


def ratio(over: Number, under: Number) -> Fraction:
    """Divide exactly; the caller has looked at zero."""
    return Fraction(over) / under
