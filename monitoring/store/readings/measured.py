"""A value as people read it: of a check of an age, how old it was then; of any other, the value itself. Pure."""

from __future__ import annotations

from datetime import datetime
from fractions import Fraction

from monitoring.conditions.values import Number
from monitoring.store.readings.exact_text import Numeric


def measured(verb: str, value: Numeric | None, at: datetime) -> Number | None:
    """Return a number in the check's unit at an instant: seconds of age, or left to a deadline; a boolean is 1 or 0."""
    if value is None:
        return None
    number = int(value) if isinstance(value, bool) else value
    match verb:
        case "age":
            return _seconds(at) - number
        case "deadline":
            return number - _seconds(at)
    return number


def unit_of(verb: str, unit: str) -> str:
    """Return the unit of what `measured` returns."""
    return "s" if verb in ("age", "deadline") else unit


def _seconds(at: datetime) -> Fraction:
    return Fraction(round(at.timestamp() * 1_000_000), 1_000_000)
