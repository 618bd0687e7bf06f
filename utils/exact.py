"""What an author writes as a value, a bound, a step or a duration, made exact. Called by `utils.policies`."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any, TypeAlias

from monitoring.base.clock import parse_duration
from monitoring.base.errors import UsageError
from monitoring.chains.abi.addresses import is_address
from monitoring.chains.abi.values import Unknown
from monitoring.checks.expression.values import NONE, Number, Reading
from monitoring.checks.rules.age import seconds_of, seconds_of_span
from monitoring.checks.rules.steps import Step

Amount: TypeAlias = "int | float | str | Decimal | Fraction"
_NOT_FINITE = ("nan", "inf", "infinity")


def reading(value: Any) -> Reading:  # noqa: ANN401 - whatever the author has
    """Return a value as the verbs read it; a float counts as the decimal it is written as."""
    if isinstance(value, Unknown | bool | int | Fraction | bytes) or value is NONE:
        return value
    if isinstance(value, float | Decimal):
        return _finite(value)
    if isinstance(value, str):
        return value.lower() if is_address(value) else value
    if isinstance(value, datetime | timedelta):
        return _time(value)
    if isinstance(value, Iterable):
        return _list(value)
    return Unknown("None was given" if value is None else f"a {type(value).__name__} was given, which is no value")


def _time(value: datetime | timedelta) -> Fraction | Unknown:
    if isinstance(value, timedelta):
        return seconds_of_span(value)
    return Unknown("a time without a zone was given") if value.tzinfo is None else seconds_of(value)


def _finite(value: float | Decimal) -> Fraction | Unknown:
    text = str(value)
    return Unknown(f"{text} was given") if text.lower().lstrip("-+s") in _NOT_FINITE else Fraction(text)


def _list(value: Iterable[Any]) -> Reading:
    found = [reading(one) for one in value]
    odd = next((one for one in found if isinstance(one, Unknown)), None)
    if odd is not None:
        return odd
    if any(one is NONE for one in found):
        return Unknown("none stands in a list")
    return tuple(found)  # type: ignore[arg-type]  # what is no value was left above


def number(value: Amount, what: str) -> Number:
    """Return a bound exactly; `80%` is 0.8.

    Raises:
        UsageError: it is no number.
    """
    text = str(value).replace("_", "").strip()
    percent = text.endswith("%")
    try:
        exact = Fraction(text.removesuffix("%"))
    except (ValueError, ZeroDivisionError):
        raise UsageError(f"{what}={value!r} is not a number: write one, or a percentage as in '80%'") from None
    return exact / 100 if percent else exact


def step(value: Amount, what: str) -> Step:
    """Return a size of change: `5%` of what it is measured from, or in the value's own unit."""
    size = number(value, what)
    if size < 0:
        raise UsageError(f"{what}={value!r}: a size of change is not negative")
    return Step(size, relative=str(value).strip().endswith("%"))


def span(value: str | timedelta) -> timedelta:
    """Return a duration, as in `90s` or `24h`."""
    return value if isinstance(value, timedelta) else parse_duration(value)
