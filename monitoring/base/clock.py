"""Instants and durations: aware UTC datetimes inside, fixed-width text in the store, injected clocks."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

from monitoring.base.errors import UsageError

_DURATION = re.compile(r"([0-9]+)([smhd]?)")
_UNIT_S = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_SHOWN_CHARS = 60
# Ours: a hundred years back from now or ahead of it is still an instant, and longer is a slip of the finger.
_LONGEST_DAYS = 36500


class Clock(Protocol):
    """Where time comes in. Decisions take a `now`; only the edge asks a clock."""

    def now(self) -> datetime:
        """Return the wall clock as an aware UTC datetime."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never step, for deadlines."""
        ...


class SystemClock:
    """The machine's clocks."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()


def to_text(instant: datetime) -> str:
    """Return `2026-11-23T22:32:00.000000Z`: fixed width, so that text order is time order."""
    return instant.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def from_text(text: str) -> datetime:
    """Read ISO 8601 of any precision; a text without a zone is UTC (the old system wrote both).

    Raises:
        ValueError: the text is not an instant.
    """
    parsed = datetime.fromisoformat(text)
    if parsed.tzinfo is UTC:
        return parsed
    try:
        return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{text!r} lies before the first or after the last instant") from None


def shortened(text: str) -> str:
    """Quote what somebody typed, without filling a screen with it."""
    return repr(text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}…")


def instant_or_none(text: object) -> datetime | None:
    """Read an instant as a row holds it; what the replaced system wrote may be none."""
    try:
        return from_text(text) if isinstance(text, str) else None
    except ValueError:
        return None


def parse_duration(text: str) -> timedelta:
    """Read bare seconds, or an integer with `s`, `m`, `h` or `d`.

    Raises:
        UsageError: anything else, or more than a hundred years.
    """
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise UsageError(
            f"{shortened(text)} is not a duration: write seconds, or a number with s, m, h or d, as in 90s or 24h"
        )
    # Cut first: Python refuses to read a number of thousands of digits.
    seconds = int(match[1][:20]) * _UNIT_S[match[2]]
    if seconds > _LONGEST_DAYS * _UNIT_S["d"]:
        raise UsageError(f"{shortened(text)} is too long a duration: write {_LONGEST_DAYS}d at most")
    return timedelta(seconds=seconds)
