"""What a value is held against, as it was when the value was read; kept as JSON, and computed with here."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from fractions import Fraction
from typing import Any

from monitoring.conditions.severity import Severity
from monitoring.conditions.values import Number
from monitoring.store.readings.exact_text import Column, number_of, to_column


@dataclass(frozen=True, slots=True)
class Bound:
    """One limit and how bad it is beyond it. `relative`: a share of the reference that it is counted from."""

    at: Number
    severity: Severity
    relative: bool = False


@dataclass(frozen=True, slots=True)
class ReadingLimits:
    """All limits of a check, the mildest first. A value below a `lower` or above an `upper` one is bad.

    `from_reference`: they are distances from the reference of each reading, below and above it. `at_bound`: exactly at
    it is bad as well. `words` is what people read of it: `≥ 5 USDC`. `fires_after` and `in_runs` are how long it must
    be bad; `clear` is where it is over, if that is not the limit itself.
    """

    lower: tuple[Bound, ...] = ()
    upper: tuple[Bound, ...] = ()
    words: str = ""
    from_reference: bool = False
    at_bound: bool = False
    clear: Number | None = None
    fires_after: timedelta = timedelta(0)
    in_runs: int = 1

    def absolute(self, reference: Number | None) -> ReadingLimits:
        """Return the limits in the value's own unit; none where the reference that they count from is not known."""
        if not self.from_reference:
            return self
        if reference is None:
            return ReadingLimits(words=self.words)
        lower = tuple(Bound(reference - _distance(one, reference), one.severity) for one in self.lower)
        upper = tuple(Bound(reference + _distance(one, reference), one.severity) for one in self.upper)
        return ReadingLimits(lower, upper, self.words)

    def headroom(self, value: Number) -> Number | None:
        """Return how far a value is from the nearest limit, negative beyond it; none without a limit."""
        rooms = [value - self.lower[0].at] if self.lower else []
        rooms += [self.upper[0].at - value] if self.upper else []
        return min(rooms, default=None)

    def as_text(self) -> str:
        """Return the JSON that is kept; equal limits have equal texts."""
        found: dict[str, Any] = {"words": self.words}
        found |= {"lower": _rows(self.lower)} if self.lower else {}
        found |= {"upper": _rows(self.upper)} if self.upper else {}
        found |= {name: True for name in ("from_reference", "at_bound") if getattr(self, name)}
        found |= {"clear": to_column(self.clear)} if self.clear is not None else {}
        found |= {"fires_after_s": self.fires_after.total_seconds()} if self.fires_after else {}
        found |= {"in_runs": self.in_runs} if self.in_runs != 1 else {}
        return json.dumps(found, ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def from_text(cls, text: str | None) -> ReadingLimits:
        """Read what any release kept; what is not there is no limit."""
        try:
            found = json.loads(text or "{}")
            return cls(
                _bounds(found.get("lower", ())), _bounds(found.get("upper", ())), str(found.get("words", "")),
                found.get("from_reference") is True, found.get("at_bound") is True, number_of(found.get("clear")),
                timedelta(seconds=float(found.get("fires_after_s", 0))), int(found.get("in_runs", 1)),
            )  # fmt: skip
        except (ValueError, TypeError, AttributeError, LookupError):
            return cls()


NO_LIMITS = ReadingLimits()


def _distance(bound: Bound, reference: Number) -> Number:
    return abs(Fraction(reference)) * bound.at if bound.relative else bound.at


def _rows(bounds: Sequence[Bound]) -> list[list[Any]]:
    return [[to_column(one.at), one.severity.name, *([1] if one.relative else [])] for one in bounds]


def _bounds(rows: Sequence[Sequence[Any]]) -> tuple[Bound, ...]:
    found = [(number_of(_column(row[0])), Severity[row[1]], len(row) > 2) for row in rows]  # noqa: PLR2004 - as written
    return tuple(Bound(at, severity, relative) for at, severity, relative in found if at is not None)


def _column(kept: Any) -> Column:  # noqa: ANN401 - JSON
    return kept if isinstance(kept, int | str) else None
