"""Times in recorded answers: `{{ now-40m FORM }}`, so that an answer is as old in each drill as when it came.

FORM is what `strftime` takes, or `unix`, `unix_ms`, `unix_us`, `unix_ns` for a number and `unix text` for its text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from monitoring.base.clock import parse_duration
from monitoring.chains.abi.values import Json
from monitoring.chains.services.times import parse_time

_STAMP = re.compile(r"\{\{ now((?:[+-]\d+[smhd])*) (.+) \}\}")
_STEP = re.compile(r"([+-])(\d+[smhd])")
_UNITS = {"unix": 1, "unix_ms": 1_000, "unix_us": 1_000_000, "unix_ns": 1_000_000_000}
_TEXT = " text"
_FORMS = (
    "%Y-%m-%d %H:%M:%S.%f UTC",
    "%Y-%m-%d %H:%M:%S UTC",
    "%Y-%m-%dT%H:%M:%S.%fZ",
    "%Y-%m-%dT%H:%M:%SZ",
    "%Y-%m-%dT%H:%M:%S.%f+00:00",
    "%Y-%m-%dT%H:%M:%S+00:00",
    "%Y-%m-%d %H:%M:%S.%f",
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%dT%H:%M:%S",
    "%a, %d %b %Y %H:%M:%S GMT",
    "%Y-%m-%d",
)
_FRACTION = re.compile(r"\.(\d+)")


@dataclass(frozen=True, slots=True)
class Stamp:
    """A time by its distance from now and the form it is written in."""

    shift: timedelta
    form: str

    def at(self, now: datetime) -> Json:
        """Return it as the service writes it."""
        moment = (now + self.shift).astimezone(UTC)
        unit = _UNITS.get(self.form.removesuffix(_TEXT))
        if unit is None:
            return moment.strftime(self.form)
        number = int(moment.timestamp() * unit)
        return str(number) if self.form.endswith(_TEXT) else number

    def __str__(self) -> str:
        seconds = round(self.shift.total_seconds())
        size, unit = (abs(seconds) // 60, "m") if abs(seconds) >= 120 else (abs(seconds), "s")  # noqa: PLR2004 - 2 min
        return f"{{{{ now{'-' if seconds <= 0 else '+'}{size}{unit} {self.form} }}}}"


def shift_of(text: str) -> timedelta:
    """Return what `-3h+1m` moves a time by."""
    spans = [(sign, parse_duration(span)) for sign, span in _STEP.findall(text)]
    return sum((span if sign == "+" else -span for sign, span in spans), timedelta(0))


def read_stamp(value: Json) -> Stamp | None:
    """Return the time that a value of a recording stands for, if it does."""
    found = _STAMP.fullmatch(value) if isinstance(value, str) else None
    return Stamp(shift_of(found[1]), found[2]) if found else None


def stamp_of(value: Json, now: datetime) -> Stamp | None:
    """Return a service's time as a recording writes it, or None where its form is not known here."""
    at = parse_time(value)
    if at is None:
        return None
    shift = at - now
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        units = [name for name, unit in _UNITS.items() if round(at.timestamp() * unit) == value]
        return Stamp(shift, units[0]) if units else None
    text = str(value).strip()
    if text.isdecimal():
        forms = (f"{name}{_TEXT}" for name in _UNITS)
        return next((one for form in forms if (one := Stamp(shift, form)).at(now) == text), None)
    for form in _FORMS:
        try:
            # `%f` reads one to six digits and writes six.
            datetime.strptime(_FRACTION.sub(lambda found: f".{found[1][:6]}", text), form)  # noqa: DTZ007 - the form is asked for
        except ValueError:
            continue
        return Stamp(shift, form)
    return None
