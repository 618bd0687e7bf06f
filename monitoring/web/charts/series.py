"""What a chart of a value over time is made of: stretches of values with their limits, and marks. Pure data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from fractions import Fraction


@dataclass(frozen=True, slots=True)
class Period:
    """What was read from `begins_at` to `ends_at`; no `last`: there was no data.

    `lowest` and `highest` differ where several readings were put together. The limits are those in force then.
    """

    begins_at: datetime
    ends_at: datetime
    last: Fraction | None = None
    lowest: Fraction | None = None
    highest: Fraction | None = None
    lower: Fraction | None = None
    upper: Fraction | None = None

    @property
    def values(self) -> tuple[Fraction, ...]:
        return tuple(value for value in (self.lowest, self.highest, self.last) if value is not None)

    @property
    def has_data(self) -> bool:
        return self.last is not None


class MarkKind(StrEnum):
    """What a mark means; the value is its word in the legend."""

    FIRED = "fired"
    WORSE = "worse"
    RECOVERED = "recovered"
    ACKNOWLEDGED = "acknowledged"
    ESCALATED = "escalated"
    MUTED = "muted"
    PAUSED = "paused"
    DEPLOYED = "new revision"

    @property
    def lane(self) -> str:
        """Return the line under the chart on which it is drawn."""
        if self in (MarkKind.FIRED, MarkKind.WORSE, MarkKind.RECOVERED):
            return "alerts"
        return "deploys" if self is MarkKind.DEPLOYED else "people"


LANES = ("alerts", "people", "deploys")


@dataclass(frozen=True, slots=True)
class ChartMark:
    """Something that happened. `says` is shown on a pointer's rest and read to who cannot see; a mute has an end."""

    at: datetime
    kind: MarkKind
    says: str
    ends_at: datetime | None = None
    severity: str = ""


@dataclass(frozen=True, slots=True)
class LineChart:
    """A value over time. `name` is the check's; `unit` one of `format_value`, or `yes/no`.

    `asked_from` is where the time that was asked for begins, if the chart begins later.
    """

    name: str
    begins_at: datetime
    ends_at: datetime
    periods: Sequence[Period]
    marks: Sequence[ChartMark] = ()
    unit: str = ""
    asked_from: datetime | None = None

    @property
    def with_data(self) -> list[Period]:
        return [period for period in self.periods if period.has_data]

    @property
    def kept_since(self) -> datetime | None:
        """Return when the first reading was, where much of the time before it has none; a check may be new."""
        first, begin = self.periods[0].begins_at if self.periods else None, self.asked_from or self.begins_at
        return first if first and first > begin + (self.ends_at - begin) / 20 else None

    @property
    def marks_within(self) -> list[ChartMark]:
        return [mark for mark in self.marks if mark.at <= self.ends_at and (mark.ends_at or mark.at) >= self.begins_at]

    def newest_limit(self, side: str) -> Fraction | None:
        """Return the limit in force at the end; `side` is `lower` or `upper`."""
        limits: Iterator[Fraction | None] = (getattr(period, side) for period in reversed(self.periods))
        return next((limit for limit in limits if limit is not None), None)

    @property
    def without_data(self) -> timedelta:
        gaps = [period.ends_at - period.begins_at for period in self.periods if not period.has_data]
        return sum(gaps, timedelta())
