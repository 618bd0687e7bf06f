"""Instants in the many ways that services write them, and the one rule of freshness."""

from __future__ import annotations

import contextlib
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import parsedate_to_datetime

from monitoring.chains.abi.values import Json

_YEAR_2000_S, _YEAR_2100_S = 946_684_800, 4_102_444_800
_SCALES = (1, 1_000, 1_000_000, 1_000_000_000)  # seconds to nanoseconds, distinguished by size
_SKEW = timedelta(seconds=60)  # a clock may be a little ahead of ours; a time beyond that is no time
_FRACTION = re.compile(r"(\.\d{6})\d+")


def parse_time(value: Json) -> datetime | None:
    """Read unix time in s, ms, µs or ns (a number or its text), ISO 8601, `… UTC`, or an HTTP date; else None.

    A text without a zone is UTC.
    """
    if isinstance(value, str):
        number = re.fullmatch(r"\d{9,19}(\.\d+)?", value.strip())
        return _from_number(Decimal(value.strip())) if number else _from_text(value.strip())
    if isinstance(value, (int, Decimal)) and not isinstance(value, bool):
        return _from_number(Decimal(value))
    return None


def _from_number(number: Decimal) -> datetime | None:
    for scale in _SCALES:
        if _YEAR_2000_S <= number / scale < _YEAR_2100_S:
            return datetime.fromtimestamp(float(number / scale), UTC)
    return None


def _from_text(text: str) -> datetime | None:
    plain = _FRACTION.sub(r"\1", text)
    for ending in (" UTC", " GMT", "UTC"):
        if plain.endswith(ending) and plain[:4].isdigit():
            plain = plain.removesuffix(ending) + "+00:00"
    with contextlib.suppress(ValueError):
        parsed = datetime.fromisoformat(plain)
        return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
    with contextlib.suppress(ValueError, TypeError):
        parsed = parsedate_to_datetime(text)
        return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
    return None


def staleness(at: datetime | None, now: datetime, max_age: timedelta) -> str | None:
    """Return why a time is not fresh, or None. Exactly `max_age` old is fresh; from the future is not."""
    if at is None:
        return "it carries no time that can be read"
    if at - now > _SKEW:
        return f"its time, {at:%Y-%m-%d %H:%M} UTC, is in the future"
    if now - at > max_age:
        return f"it is from {at:%Y-%m-%d %H:%M} UTC, older than {_span(max_age)}"
    return None


def _span(age: timedelta) -> str:
    minutes = round(age.total_seconds() / 60)
    return f"{minutes // 60} h" if minutes and minutes % 60 == 0 else f"{minutes} min"
