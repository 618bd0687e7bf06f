"""How a condition reacts to what is seen: severity, `for`, `clear_after`, `remind`, `worse_by`, the silence limit.

Plain data, read by the rules. A policy never looks at a clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Final, Self

from monitoring.conditions.severity import Severity
from monitoring.conditions.values import Number


class Reminders(Enum):
    """The type of `USUAL`."""

    USUAL = "usual"


USUAL: Final = Reminders.USUAL
# How often a condition that goes on firing is reported again, where nobody says otherwise. Milder ones are not.
USUAL_REMINDERS: Mapping[Severity, timedelta] = {
    Severity.CRITICAL: timedelta(hours=6),
    Severity.HIGH: timedelta(days=1),
}


@dataclass(frozen=True, slots=True)
class PendingPolicy:
    """`for`: a breach counts once it was seen in `runs` readings in a row, the first at least `span` ago.

    Each level has to last by itself, unless they are `shared`: then a worse one counts from the first breach on.
    """

    runs: int = 1
    span: timedelta = timedelta(0)
    shared: bool = False

    def is_met(self, runs: int, since: datetime, now: datetime) -> bool:
        return runs >= self.runs and now - since >= self.span


@dataclass(frozen=True, slots=True)
class NoDataPolicy:
    """How long a reading may stay unknown before its source is reported: whichever comes first.

    `whole_span` in place of `span` where of the source nothing can be read, as of a chain whose endpoints are all down.
    """

    runs: int = 3
    span: timedelta = timedelta(hours=3)
    whole_span: timedelta = timedelta(minutes=30)

    def is_over(self, runs: int, since: datetime, now: datetime, *, is_whole: bool = False) -> bool:
        return runs >= self.runs or now - since >= (min(self.span, self.whole_span) if is_whole else self.span)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What every rule understands.

    `remind`: how often a condition that goes on is reported again; `USUAL` is by its severity, None is never.
    `clear_after`: it is over once it was good for so long. `worse_by` is the step beyond the worst value reported that
    is reported again.
    """

    severity: Severity = Severity.MEDIUM
    hold: PendingPolicy = PendingPolicy()
    clear_after: timedelta = timedelta(0)
    remind: timedelta | Reminders | None = USUAL
    worse_by: Number | None = None
    silence: NoDataPolicy = NoDataPolicy()

    def without_waiting(self) -> Self:
        """Return the policy of a breach so far beyond its bound that it is reported at once, whatever `hold` says."""
        return replace(self, hold=PendingPolicy())

    def remind_after(self, severity: Severity) -> timedelta | None:
        """Return when a condition of this severity that goes on is reported again, None for never."""
        return USUAL_REMINDERS.get(severity) if isinstance(self.remind, Reminders) else self.remind
