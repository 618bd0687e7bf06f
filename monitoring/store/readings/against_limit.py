"""A check's value against its limit, in words: now, how far from it, at its worst, and which way it goes.

Pure, but for `last_measured`, which reads. Used by pages and commands alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction

from monitoring.base.clock import to_text
from monitoring.base.formatting import format_shortfall, format_value
from monitoring.conditions.condition import Condition
from monitoring.conditions.values import Number
from monitoring.store.db.database import Tx
from monitoring.store.readings.history import ReadingSpan, history
from monitoring.store.readings.reading import ReadingState
from monitoring.store.readings.watched import WatchedCheck, one

_NOTICED = Fraction(1, 100)  # of the distance: less is no change that a person acts on
_ROUNDING = Fraction(1, 10**9)  # of the value: a rule that allows for rounding alone leaves no headroom worth a figure


@dataclass(frozen=True, slots=True)
class Measured:
    """What people read of a value. `worst` and `trend` are empty while it is fine.

    `distance` is the headroom, or how far it is beyond the limit; `next_level` what comes next: `CRITICAL at 97%`.
    """

    value: str
    limit: str
    distance: str = ""
    is_beyond: bool = False
    next_level: str = ""
    worst: str = ""
    worst_at: datetime | None = None
    trend: str = ""
    at: datetime | None = None

    @property
    def words(self) -> str:
        """Return it in one line: `95.1%, limit ≤ 90%, over by 5.1%. Getting worse: 91.5% when it fired`."""
        if not self.value:
            return ""
        distance = self.distance if self.is_beyond or not self.distance else f"headroom {self.distance}"
        parts = [self.value, self.limit and f"limit {self.limit}", distance]
        return ". ".join(text for text in (", ".join(part for part in parts if part), self.trend) if text)

    def as_json(self) -> dict[str, object]:
        """Return the same for programs; `beyond` says on which side of the limit the distance lies."""
        return {
            "value": self.value or None, "limit": self.limit or None, "distance": self.distance or None,
            "beyond": self.is_beyond, "next_level": self.next_level or None, "trend": self.trend or None,
            "at": to_text(self.at) if self.at else None,
        }  # fmt: skip


def last_measured(tx: Tx, condition: Condition) -> Measured | None:
    """Return what was read last of a condition, compared with when it fired if it fires; none if nothing is kept.

    Its worst value is left out: that would read the whole incident, and lists show many of them.
    """
    seen = one(tx, condition.key)
    if seen is None or seen.at is None or not condition.is_firing or condition.fired_at is None:
        return measure(seen) if seen is not None else None
    ends = [history(tx, condition.key, at, at) for at in (condition.fired_at.replace(microsecond=0), seen.at)]
    course = [spans[-1] for spans in ends if spans]
    return measure(seen, course if len(course) == len(ends) else ())


def measure(seen: WatchedCheck, episode: Sequence[ReadingSpan] = ()) -> Measured:
    """Return what is read now, and of the spans of an episode what was at its worst and where it goes."""
    unit = unit_of(seen)
    limit = seen.limits.words
    if seen.value is None:
        return Measured("", limit, at=seen.at)
    over = beyond(seen.value, seen.lower, seen.upper)
    distance = "" if over is None else _distance(seen, over)
    worst, worst_at, trend = _course(episode, unit)
    is_beyond, further = over is not None and over > 0, _next_level(seen, unit)
    return Measured(shown(seen.value, unit), limit, distance, is_beyond, further, worst, worst_at, trend, seen.at)


def unit_of(seen: WatchedCheck) -> str:
    """Return the unit in which charts and words show it."""
    return "yes/no" if isinstance(seen.exact, bool) else seen.unit


def shown(value: Number, unit: str) -> str:
    return format_value(bool(value) if unit == "yes/no" else value, unit)


def beyond(value: Number, lower: Number | None, upper: Number | None) -> Fraction | None:
    """Return how far a value is beyond its nearest limit, negative on the good side; none without a limit."""
    found = [Fraction(lower - value)] if lower is not None else []
    found += [Fraction(value - upper)] if upper is not None else []
    return max(found, default=None)


def _distance(seen: WatchedCheck, over: Fraction) -> str:
    if seen.value is None:
        return ""
    limit = seen.upper if seen.upper is not None and seen.value - seen.upper == over else seen.lower
    if over < 0 and -over < abs(Fraction(seen.value)) * _ROUNDING:
        return ""
    if over < 0:
        return format_value(-over, unit_of(seen))
    return format_shortfall(seen.value, limit, seen.unit) if limit is not None and over else "at the limit"


def _next_level(seen: WatchedCheck, unit: str) -> str:
    if seen.value is None:
        return ""
    ahead = [(one.at - Fraction(seen.value), one) for one in seen.limits.upper[1:] if one.at >= seen.value]
    ahead += [(Fraction(seen.value) - one.at, one) for one in seen.limits.lower[1:] if one.at <= seen.value]
    nearest = min(ahead, key=lambda each: each[0], default=None)
    return f"{nearest[1].severity.name} at {shown(nearest[1].at, unit)}" if nearest else ""


def _course(episode: Sequence[ReadingSpan], unit: str) -> tuple[str, datetime | None, str]:
    """Return the worst value of an episode with its time, and how the last one compares with the first."""
    overs = [(span, over) for span in episode if (over := _worst_of(span)) is not None]
    if not overs:
        return "", None, ""
    worst, most = max(overs, key=lambda one: one[1])
    value = (
        worst.high
        if worst.upper is not None and worst.high is not None and worst.high - worst.upper == most
        else worst.low
    )
    words = shown(value, unit) if value is not None else ""
    return words, worst.last_at, _trend(overs, unit)


def _worst_of(span: ReadingSpan) -> Fraction | None:
    found = [beyond(value, span.lower, span.upper) for value in (span.low, span.high) if value is not None]
    return max((one for one in found if one is not None), default=None)


def _trend(overs: Sequence[tuple[ReadingSpan, Fraction]], unit: str) -> str:
    first, last = overs[0][0], overs[-1][0]
    if first.last is None or last.last is None:
        return ""
    # Both against the limit of now: an edit of the limit makes no value better or worse.
    then, now = beyond(first.last, last.lower, last.upper), beyond(last.last, last.lower, last.upper)
    if then is None or now is None:
        return ""
    was = f"{shown(first.last, unit)} when it fired"
    noticed = max(abs(then), abs(now)) * _NOTICED
    if now > then + noticed:
        return f"Getting worse: {was}"
    return f"Easing: {was}" if now < then - noticed else "Unchanged since it fired"


def is_bad(span: ReadingSpan) -> bool:
    return span.state in (ReadingState.FIRING, ReadingState.HAPPENED)
