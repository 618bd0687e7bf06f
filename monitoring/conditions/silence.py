"""Whether a silence holds back an alert: one decision for recording, release, escalation, inhibition, status and pages.

Pure: `silence_of` says which one does, of those that hold at a moment.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatchcase

from monitoring.base.errors import UsageError
from monitoring.conditions.condition import Condition
from monitoring.conditions.severity import Severity

# The reason of a silence, and the note of an acknowledgement, that somebody made by a button: they may do less.
FROM_CHAT = "from the chat"
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY = timedelta(days=1)
_DAY_MINUTES = 24 * 60
_HOURS = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])-(?:([01][0-9]|2[0-3]):([0-5][0-9])|24:00)")
_ESCAPED = re.compile(r"\[([*?[])\]")  # as glob.escape writes them
_MOST_PARTS = 3
_EXAMPLE = "mon-fri 22:00-07:00 Europe/Berlin"


@dataclass(frozen=True, slots=True)
class SilenceWindow:
    """A part of a week that recurs, by the clock of a zone: days (Monday is 0) on which it opens, minutes of a day.

    One that ends before it starts goes over midnight. An hour that a change of the clock repeats is in it twice, one
    that is left out is not.
    """

    days: tuple[int, ...]
    start_min: int
    end_min: int
    zone: str

    @classmethod
    def parse(cls, text: str) -> SilenceWindow:
        """Read `mon-fri 22:00-07:00 Europe/Berlin`; without a zone it is UTC.

        Raises:
            UsageError: it is none; the words say which part, and how to write it.
        """
        parts = text.split()
        if not 1 < len(parts) <= _MOST_PARTS:
            raise UsageError(f"--window {text!r}: write days, hours and a zone, as in '{_EXAMPLE}'")
        days = _days(parts[0])
        found = _HOURS.fullmatch(parts[1])
        if found is None:
            raise UsageError(f"--window: {parts[1]!r} are no hours: write HH:MM-HH:MM, as in 22:00-07:00")
        start = int(found[1]) * 60 + int(found[2])
        end = int(found[3]) * 60 + int(found[4]) if found[3] else _DAY_MINUTES
        if start == end:
            raise UsageError(f"--window: {parts[1]} begins where it ends: write 00:00-24:00 for a whole day")
        if len(days) == len(DAYS) and end - start == _DAY_MINUTES:
            raise UsageError("--window: these are all hours of a week: leave it out for a silence without a pause")
        return cls(days, start, end, _zone_name(parts[2] if len(parts) == _MOST_PARTS else "UTC"))

    def is_open(self, at: datetime) -> bool:
        from zoneinfo import ZoneInfo  # noqa: PLC0415 - only who has such a silence pays for it

        local = at.astimezone(ZoneInfo(self.zone))
        minute, today = local.hour * 60 + local.minute, local.weekday()
        if self.start_min < self.end_min:
            return today in self.days and self.start_min <= minute < self.end_min
        yesterday = (local.replace(tzinfo=None) - _DAY).weekday()
        return (today in self.days and minute >= self.start_min) or (yesterday in self.days and minute < self.end_min)

    def __str__(self) -> str:
        """Return it as `parse` reads it."""
        days = _shown_days(self.days)
        return f"{days} {_clock(self.start_min)}-{_clock(self.end_min)} {self.zone}"


@dataclass(frozen=True, slots=True)
class SilenceSubject:
    """What a silence is held against: names of an alert or condition, its key, how bad it is, its chain (0: none).

    `began` is when its incident began, if it is one. `is_worse`: it reports that the incident became worse.
    `is_repeated`: it reports nothing new.
    """

    names: Collection[str]
    key: str | None
    severity: Severity
    chain: int = 0
    began: datetime | None = None
    is_worse: bool = False
    is_repeated: bool = True


@dataclass(frozen=True, slots=True)
class Silence:
    """One silence; without a key it covers the whole protocol. `silenced` counts the alerts it held back.

    `protocol` may also be a channel or a monitor: an alert that goes by the name of its asset stays covered by these.
    A narrow one covers nothing worse than `severity`, or one `chain` alone (of any protocol where that is empty), or
    holds in its `window` alone. `last_at` is when it last held one back.
    """

    id: int
    protocol: str
    key: str | None
    starts_at: datetime
    ends_at: datetime
    reason: str
    created_by: str
    silenced: int = 0
    severity: Severity | None = None
    chain: int | None = None
    window: SilenceWindow | None = None
    last_at: datetime | None = None

    @property
    def is_narrow(self) -> bool:
        return self.severity is not None or self.chain is not None or self.window is not None

    @property
    def is_from_chat(self) -> bool:
        return self.reason == FROM_CHAT

    @property
    def what(self) -> str:
        """Return what it covers, as in `aave utilisation/*, at most MEDIUM, mon-fri 22:00-07:00 UTC`."""
        # By a button one key is meant; what is escaped in it would read as another one.
        key = _ESCAPED.sub(r"\1", self.key) if self.key and self.is_from_chat else self.key
        name = f"{self.protocol or 'every protocol'}{f' {key}' if key else ''}"
        return f"{name}, {self.only}" if self.only else name

    @property
    def only(self) -> str:
        """Return what makes it narrow, nothing where nothing does: nothing is worse than CRITICAL."""
        parts = [f"chain {self.chain}"] if self.chain is not None else []
        is_bounded = self.severity is not None and self.severity is not Severity.CRITICAL
        parts += [f"at most {self.severity.name}"] if self.severity is not None and is_bounded else []
        return ", ".join([*parts, *([str(self.window)] if self.window else [])])

    def holds(self, at: datetime) -> bool:
        """Return whether it holds back anything at this moment."""
        return self.starts_at <= at < self.ends_at and (self.window is None or self.window.is_open(at))

    def covers(self, subject: SilenceSubject) -> bool:
        """Return whether such an alert is held back while it holds."""
        if self.is_from_chat and not self._was_muted(subject):
            return False
        return self.is_about(subject) and (self.severity is None or subject.severity <= self.severity)

    def _was_muted(self, subject: SilenceSubject) -> bool:
        """Return whether somebody who tapped a button meant this: their incident, as it was, not the next one.

        One tap on one account must not hold back news of a CRITICAL either.
        """
        if subject.is_worse or (subject.severity is Severity.CRITICAL and not subject.is_repeated):
            return False
        return subject.began is None or subject.began <= self.starts_at

    def is_about(self, subject: SilenceSubject) -> bool:
        """Return whether it is meant, however bad it is; `*` in the key of a silence means anything."""
        if self.protocol and self.protocol.lower() not in map(str.lower, subject.names):
            return False
        if self.chain is not None and self.chain != subject.chain:
            return False
        return self.key is None or (subject.key is not None and matches(self.key, subject.key))


def subject_of(condition: Condition, severity: Severity | None = None) -> SilenceSubject:
    """Return what silences see of a condition: as bad as the worst that was reported of it, unless one is given."""
    worst = max(condition.severity, condition.worst) if severity is None else severity
    return SilenceSubject(condition.names, condition.key.text, worst, condition.key.chain, condition.fired_at)


def silence_of(holding: Iterable[Silence], subject: SilenceSubject) -> Silence | None:
    """Return the first of the silences that hold now by which this is held back, None if it is sent."""
    return next((each for each in holding if each.covers(subject)), None)


def covered_now(silence: Silence, open_now: Iterable[Condition], now: datetime) -> list[Condition]:
    """Return the incidents that a silence holds back now."""
    return [row for row in open_now if silence.covers(subject_of(row))] if silence.holds(now) else []


def matches(pattern: str, key: str) -> bool:
    """Return whether a key is meant by the key of a silence."""
    # The key itself first: an alert prints it as it is, and brackets in it would be a pattern that leaves it out.
    return key == pattern or fnmatchcase(key, pattern)


def _days(text: str) -> tuple[int, ...]:
    found: set[int] = set()
    for part in text.lower().split(","):
        first, _, last = part.partition("-")
        if first not in DAYS or (last or first) not in DAYS:
            raise UsageError(f"--window: {part!r} is no day of a week: write mon, tue, wed, thu, fri, sat or sun")
        start, end = DAYS.index(first), DAYS.index(last or first)
        found |= {day % len(DAYS) for day in range(start, end + 1 if end >= start else end + 1 + len(DAYS))}
    return tuple(sorted(found))


def _shown_days(days: tuple[int, ...]) -> str:
    if len(days) > 1 and days[-1] - days[0] == len(days) - 1:
        return f"{DAYS[days[0]]}-{DAYS[days[-1]]}"
    return ",".join(DAYS[day] for day in days)


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def _zone_name(name: str) -> str:
    from zoneinfo import ZoneInfo, available_timezones  # noqa: PLC0415 - likewise

    from monitoring.base.suggest import did_you_mean  # noqa: PLC0415 - likewise

    try:
        return ZoneInfo(name).key
    except (LookupError, ValueError, OSError):
        hint = did_you_mean(name, available_timezones()) or ", write one such as Europe/Berlin"
        raise UsageError(f"--window: there is no time zone {name!r}{hint}") from None
