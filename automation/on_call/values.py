"""The kinds of single values that only on_call.yaml has: zones, hours of a day, local times, whom to ask."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, time

from automation.jobs.values import NAME
from monitoring.base.suggest import nearest
from monitoring.base.yaml.keys import One
from monitoring.base.yaml.marks import Scalar

CHAT, ON_CALL, EVERYBODY = "chat", "on-call", "everybody"
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_CLOCK = r"([01][0-9]|2[0-3]):([0-5][0-9])"
_DATE_TIME = r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ]" + _CLOCK
_FIRST_YEAR, _LAST_YEAR = 1990, 2200  # ours
_LONGEST_ID = 16  # Telegram's ids have at most 52 significant bits


@dataclass(frozen=True, slots=True)
class WeekTime:
    """A weekday (Monday is 0) and a time of day, in the zone of the file."""

    day: int
    at: time

    def __str__(self) -> str:
        return f"{DAYS[self.day].capitalize()} {self.at:%H:%M}"


@dataclass(frozen=True, slots=True)
class Hours:
    """A part of each day; one that ends before it starts goes over midnight."""

    starts: time
    ends: time

    def hold(self, at: time) -> bool:
        if self.starts < self.ends:
            return self.starts <= at < self.ends
        return at >= self.starts or at < self.ends

    def __str__(self) -> str:
        return f"{self.starts:%H:%M}-{self.ends:%H:%M}"


def _zone(value: Scalar) -> str:
    from zoneinfo import ZoneInfo, available_timezones  # noqa: PLC0415 - only a team with this file pays for it

    try:
        return ZoneInfo(value.text).key
    except (LookupError, ValueError, OSError):
        match = nearest(value.text, available_timezones())
        raise ValueError(
            f"there is no time zone {value.text!r}: write {match or 'one such as Europe/Berlin'}"
        ) from None


def _clock(text: str) -> time:
    hour, minute = text.split(":")
    return time(int(hour), int(minute))


def _week_time(value: Scalar) -> WeekTime:
    day, _, at = value.text.strip().lower().partition(" ")
    if day not in DAYS or not re.fullmatch(_CLOCK, at.strip()):
        raise ValueError(f"{value.text!r} is no time of a week: write a weekday and HH:MM, as in monday 09:00")
    return WeekTime(DAYS.index(day), _clock(at.strip()))


def _hours(value: Scalar) -> Hours:
    found = re.fullmatch(rf"({_CLOCK})\s*-\s*({_CLOCK})", value.text.strip())
    if found is None:
        raise ValueError(f"{value.text!r} are no hours: write HH:MM-HH:MM, as in 22:00-07:00")
    hours = Hours(_clock(found[1]), _clock(found[4]))
    if hours.starts == hours.ends:
        raise ValueError(f"{value.text!r} begins where it ends: write the hours that are quiet, or remove the key")
    return hours


def _local(value: Scalar) -> datetime:
    if not re.fullmatch(_DATE_TIME, value.text.strip()):
        raise ValueError(f"{value.text!r} is no time: write it as 2026-12-24T09:00, in the zone of the file")
    try:
        at = datetime.fromisoformat(value.text.strip())
    except ValueError:
        raise ValueError(f"{value.text!r} is no day of the calendar: correct it") from None
    # Weeks are counted from here and on from there: at the ends of the calendar there is no next one.
    if not _FIRST_YEAR <= at.year < _LAST_YEAR:
        raise ValueError(f"the year {at.year} is a mistake: correct it")
    return at


def _telegram_id(value: Scalar) -> int:
    if not re.fullmatch(r"[1-9][0-9]*", value.text) or len(value.text) > _LONGEST_ID:
        raise ValueError(
            f"{value.text!r} is no id of a Telegram user: write its number, not @name; a group's begins with -"
        )
    return int(value.text)


def _target(value: Scalar) -> str:
    return value.text if value.text in (CHAT, ON_CALL, EVERYBODY) else NAME.parse(value)


ZONE = One("time zone", _zone, {"type": "string", "pattern": r"\S"})
WEEK_TIME = One("weekday HH:MM", _week_time, {"type": "string", "pattern": rf"^(?i:{'|'.join(DAYS)}) +{_CLOCK}$"})
HOURS = One("HH:MM-HH:MM", _hours, {"type": "string", "pattern": rf"^{_CLOCK} *- *{_CLOCK}$"})
LOCAL = One("date and time", _local, {"type": "string", "pattern": f"^{_DATE_TIME}$"})
TELEGRAM_ID = One("number", _telegram_id, {"type": "integer", "minimum": 1})
TARGET = One(
    "`chat`, `on-call`, `everybody` or a person", _target, {"type": "string", "pattern": r"^[a-z0-9][a-z0-9_-]*$"}
)
