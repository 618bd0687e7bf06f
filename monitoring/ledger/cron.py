"""Reads a cron expression into its canonical form and computes its ticks, all in UTC.

Used by the configuration, the scheduler and the audit alike. It is stricter than supercronic, never looser:
whatever is accepted here ticks at the same instants there (`tests/golden/cron-supercronic.jsonl`).
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from typing import NamedTuple

from cronsim import CronSim

from monitoring.base.errors import UsageError

_EXAMPLE = '"5 * * * *"'
_ALIASES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_ITEM = re.compile(
    r"(?:\*|(?P<first>[0-9]{1,2}|[a-z]{3})(?:-(?P<last>[0-9]{1,2}|[a-z]{3}))?)(?:/(?P<step>[0-9]{1,2}))?"
)
_LONGEST_MONTH = {2: 29, 4: 30, 6: 30, 9: 30, 11: 30}
_SUNDAY = 7  # cron's second name for 0


class _Field(NamedTuple):
    """One of the five fields: its range, its words, and whether a step may stand as it is written.

    A step in a day or month field is read differently by different crons (`*/2` next to a restricted
    day of the week is OR to supercronic, AND to Debian's), so those are spelled out.
    """

    name: str
    low: int
    high: int
    words: tuple[str, ...] = ()
    steps_stand: bool = False

    @property
    def whole(self) -> frozenset[int]:
        return frozenset(range(self.low, self.high + 1))

    def number(self, text: str) -> int:
        if text in self.words:
            return self.words.index(text) + self.low
        if self is _WEEKDAY and text.startswith("0") and text != "0":
            raise UsageError(f"supercronic reads the weekday {text!r} as Sunday: write it without the leading zero")
        if text.isdigit():
            value = 0 if self is _WEEKDAY and int(text) == _SUNDAY else int(text)
            if self.low <= value <= self.high:
                return value
        words = f" or {self.words[0]} to {self.words[-1]}" if self.words else ""
        raise UsageError(f"the {self.name} {text!r} is unknown: write {self.low} to {self.high}{words}")

    def range_end(self, text: str, item: str) -> int:
        if self is _WEEKDAY and text == str(_SUNDAY):
            raise UsageError(f"supercronic misreads {item!r}, a range that ends at 7: list the days, Sunday being 0")
        return self.number(text)


_MINUTE = _Field("minute", 0, 59, steps_stand=True)
_HOUR = _Field("hour", 0, 23, steps_stand=True)
_DAY = _Field("day of the month", 1, 31)
_MONTH = _Field("month", 1, 12, ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"))
_WEEKDAY = _Field("weekday", 0, 6, ("sun", "mon", "tue", "wed", "thu", "fri", "sat"))
_FIELDS = (_MINUTE, _HOUR, _DAY, _MONTH, _WEEKDAY)


class _Span(NamedTuple):
    """One item of a field's list: every `step`-th value from `first` to `last`."""

    first: int
    last: int
    step: int = 1
    text: str = ""
    is_star: bool = False  # a bare `*` or `?` frees its field; `*/n` restricts it, even `*/1`

    @property
    def values(self) -> frozenset[int]:
        return frozenset(range(self.first, self.last + 1, self.step))


class _ParsedField(NamedTuple):
    """What one field means: the values it matches, and the text that says so to every reader alike."""

    values: frozenset[int]
    text: str
    restricted: bool


_EVERY_DAY = _ParsedField(_DAY.whole, "*", restricted=False)
_EVERY_WEEKDAY = _ParsedField(_WEEKDAY.whole, "*", restricted=False)


@dataclass(frozen=True, slots=True)
class Cron:
    """A schedule in UTC. Two expressions with the same canonical form are equal.

    `text` is what the author wrote, `canonical` what is rendered and evaluated: explicit lists wherever two
    crons could read the author's text differently, else the text itself (`5 * * * *`, `0/10 * * * *`).
    """

    canonical: str
    text: str = field(compare=False)
    _times_of_day: tuple[timedelta, ...] = field(compare=False, repr=False)

    @classmethod
    @lru_cache(maxsize=256)  # schedules are few, and read at every look
    def parse(cls, text: str) -> Cron:
        """Read five fields, or one of `@yearly @annually @monthly @weekly @daily @hourly`.

        Raises:
            UsageError: the text is no such expression, supercronic would read it otherwise or not at all,
                or no date can ever match it; the message says what to write.
        """
        minute, hour, day, month, weekday = _read_fields(text)
        day, weekday = _read_days(day, weekday)
        _refuse_impossible(day, month, weekday)
        return cls(
            canonical=" ".join(reading.text for reading in (minute, hour, day, month, weekday)),
            text=text,
            _times_of_day=tuple(
                timedelta(hours=h, minutes=m) for h in sorted(hour.values) for m in sorted(minute.values)
            ),
        )

    def ticks(self, after: datetime, until: datetime) -> Iterator[datetime]:
        """Yield every tick with `after < tick <= until`, oldest first."""
        for tick in self._ticks_after(after):
            if tick > until:
                return
            yield tick

    def next_after(self, instant: datetime) -> datetime:
        """Return the first tick later than `instant`."""
        return next(self._ticks_after(instant))

    def previous_at_or_before(self, instant: datetime) -> datetime:
        """Return the latest tick not later than `instant`."""
        midnight, passed = _split(instant)
        for day in CronSim(self._days, midnight + timedelta(seconds=1), reverse=True):
            count = bisect_right(self._times_of_day, passed) if day == midnight else len(self._times_of_day)
            if count:
                return day + self._times_of_day[count - 1]
        raise AssertionError(f"{self.canonical} never ticked")  # refused when it was parsed

    @property
    def _days(self) -> str:
        """The same days at midnight: cronsim finds those, the times of a day are known beforehand."""
        return "0 0 " + self.canonical.split(maxsplit=2)[2]

    def _ticks_after(self, instant: datetime) -> Iterator[datetime]:
        midnight, passed = _split(instant)
        for day in CronSim(self._days, midnight - timedelta(seconds=1)):
            count = bisect_right(self._times_of_day, passed) if day == midnight else 0
            for time_of_day in self._times_of_day[count:]:
                yield day + time_of_day


def _split(instant: datetime) -> tuple[datetime, timedelta]:
    """Return the midnight before an instant and how long ago that was then."""
    midnight = datetime.combine(instant.astimezone(UTC).date(), time(), UTC)
    return midnight, instant - midnight


def _read_fields(text: str) -> list[_ParsedField]:
    written = text.lower().strip(" \t")
    if written == "@midnight":
        raise UsageError("@midnight is not known to supercronic: write @daily")
    if written.startswith("@") and written not in _ALIASES:
        raise UsageError(f"{text!r} is unknown: write {', '.join(_ALIASES)} or five fields, as in {_EXAMPLE}")
    parts = re.split(r"[ \t]+", _ALIASES.get(written, written))
    if len(parts) != len(_FIELDS):
        raise UsageError(
            f"{text!r} has {len(parts) if written else 0} fields: write five, minute hour day month weekday,"
            f" as in {_EXAMPLE}"
        )
    return [_read_field(field_, part) for field_, part in zip(_FIELDS, parts, strict=True)]


def _read_field(field_: _Field, text: str) -> _ParsedField:
    spans = [_read_span(field_, item) for item in text.split(",")]
    values = frozenset[int]().union(*(span.values for span in spans))
    if values == field_.whole:
        canonical = "*"
    elif len(spans) == 1 and len(values) > 1 and (field_.steps_stand or spans[0].step == 1):
        canonical = spans[0].text
    else:
        canonical = ",".join(str(value) for value in sorted(values))
    return _ParsedField(values, canonical, restricted=not any(span.is_star for span in spans))


def _read_span(field_: _Field, item: str) -> _Span:
    match = _ITEM.fullmatch("*" if item == "?" else item)
    if match is None:
        raise UsageError(_unreadable(field_, item))
    step = _read_step(field_, match["step"])
    stride = f"/{step}" if step > 1 else ""
    if match["first"] is None:
        return _Span(field_.low, field_.high, step, f"*{stride}", is_star=match["step"] is None)
    first = field_.number(match["first"])
    if match["last"] is None:
        if match["step"] is None:
            return _Span(first, first)
        return _Span(first, field_.high, step, f"{first}{stride}" if stride else f"{first}-{field_.high}")
    last = field_.range_end(match["last"], item)
    if last < first:
        raise UsageError(f"the {field_.name} range {item!r} runs backwards: write two ranges, with a comma between")
    return _Span(first, last, step, f"{first}-{last}{stride}")


def _read_step(field_: _Field, text: str | None) -> int:
    step = int(text or 1)
    if not 1 <= step <= field_.high:
        raise UsageError(f"the {field_.name} step {text} is out of range: write 1 to {field_.high}")
    return step


def _unreadable(field_: _Field, item: str) -> str:
    if re.fullmatch(r"l|[a-z0-9]*(w|l|#[0-9]*)", item) and item not in field_.words:
        return f"the {field_.name} {item!r} uses L, W or #, which not every cron knows: list the days"
    return (
        f"the {field_.name} {item!r} cannot be read: write a number, a range a-b, a step a/n or */n, or a list of them"
    )


def _read_days(day: _ParsedField, weekday: _ParsedField) -> tuple[_ParsedField, _ParsedField]:
    """Settle how the two day fields join: both restricted is OR (as in supercronic), else the restricted one rules.

    `*` stands exactly where a field does not count, so that no reader can take the other meaning.
    """
    if day.restricted and weekday.restricted and "*" in (day.text, weekday.text):
        return _EVERY_DAY, _EVERY_WEEKDAY
    return (day if day.restricted else _EVERY_DAY), (weekday if weekday.restricted else _EVERY_WEEKDAY)


def _refuse_impossible(day: _ParsedField, month: _ParsedField, weekday: _ParsedField) -> None:
    if weekday.restricted:
        return
    longest = max(_LONGEST_MONTH.get(number, 31) for number in month.values)
    if min(day.values) > longest:
        raise UsageError(f"no month named has a day {min(day.values)}: it would never run; write a day up to {longest}")
