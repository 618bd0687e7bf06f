"""How many business hours are left until an instant: Monday to Friday, 09:00 to 17:00, holidays not known. Pure.

An operation that waits from Friday evening to Monday morning waits two days in which nobody is at work.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta, tzinfo

OPENS, CLOSES = time(9), time(17)
_WORKDAYS = 5
_MOST_DAYS = 3660  # ours: an instant further away is no instant that anybody waits for


def business_time(start: datetime, end: datetime, zone: tzinfo) -> timedelta:
    """Return how much of the time between two aware instants is business hours in a zone, by its own clock changes."""
    # A stranger can write any instant: the last hours of the calendar do not exist in every zone.
    first, end = start.astimezone(zone).date(), min(end, start + timedelta(days=_MOST_DAYS))
    days = (end.astimezone(zone).date() - first).days + 1
    spans = (_of_day(datetime.combine(first + timedelta(days=day), OPENS, zone), start, end) for day in range(days))
    return sum(spans, timedelta(0))


def _of_day(opens: datetime, start: datetime, end: datetime) -> timedelta:
    if opens.weekday() >= _WORKDAYS:
        return timedelta(0)
    # In UTC, since Python subtracts two times of one zone by what the clock on the wall shows.
    begins, ends = opens.astimezone(UTC), datetime.combine(opens.date(), CLOSES, opens.tzinfo).astimezone(UTC)
    return max(min(ends, end) - max(begins, start), timedelta(0))


def zone_of(environ: Mapping[str, str]) -> tzinfo:
    """Return the zone that `TZ` names, which the times of `--tz local` and of the journal are in as well; else UTC."""
    from zoneinfo import ZoneInfo  # noqa: PLC0415 - only alerts about what waits need it

    name = environ.get("TZ", "").lstrip(":")
    try:
        return ZoneInfo(name) if name else UTC
    except (LookupError, ValueError, OSError):
        return UTC
