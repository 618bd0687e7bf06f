"""Exact numbers as a column holds them: short, and read back equal."""

from __future__ import annotations

from fractions import Fraction
from typing import TypeAlias

from monitoring.conditions.values import Number, read_number, write_number

Column: TypeAlias = int | str | None
Numeric: TypeAlias = bool | int | Fraction
_LARGEST = 2**63  # of SQLite
_MOST_PLACES = 100  # beyond that `n/d` is the shorter text


def to_column(value: Numeric | None) -> Column:
    """Return a whole number as one, another as `0.9987` or `1/3`, a boolean as `true` or `false`."""
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if value.denominator == 1:
        whole = int(value)
        return whole if -_LARGEST <= whole < _LARGEST else write_number(whole)
    return _decimal(Fraction(value)) or write_number(value)


def from_column(kept: Column) -> Numeric | None:
    """Undo `to_column`; what it never wrote is no number."""
    if kept is None or isinstance(kept, int):
        return kept
    if kept in ("true", "false"):
        return kept == "true"
    try:
        return Fraction(kept) if "." in kept else read_number(kept)
    except (ValueError, ZeroDivisionError):
        return None


def number_of(kept: Column) -> Number | None:
    """Return a column as a number to compute with, a boolean as 1 or 0."""
    found = from_column(kept)
    return int(found) if isinstance(found, bool) else found


def _decimal(value: Fraction) -> str:
    """Return the digits where a number has finitely many, else nothing."""
    rest, places = value.denominator, 0
    for prime in (2, 5):
        power = 0
        while rest % prime == 0 and power <= _MOST_PLACES:
            rest, power = rest // prime, power + 1
        places = max(places, power)
    if rest != 1 or places > _MOST_PLACES or abs(value) >= 10**_MOST_PLACES:
        return ""
    digits = str(abs(value.numerator) * 10**places // value.denominator).rjust(places + 1, "0")
    return f"{'-' if value < 0 else ''}{digits[:-places]}.{digits[-places:]}"
