"""First baselines and cursors: what the system before this one remembered, where it means the same (`old_values.txt`).

Read only for a condition that remembers nothing yet, so once. Nothing of `monitor_state` is changed.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path

from monitoring.base.clock import to_text
from monitoring.checks.rules import items, logs
from monitoring.conditions.condition import Condition, ConditionKey
from monitoring.conditions.values import Json, Number, write_number
from monitoring.store.db.database import Database
from monitoring.store.tables import state

_FILE = Path(__file__).parent / "old_values.txt"
_NUMBER = re.compile(r"\d{1,80}(\.\d{1,80})?(e[+-]?\d{1,2})?", re.IGNORECASE)  # of -1 nothing was outstanding
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Nothing that is watched is worth ten billion, and nothing less than a million of it: between them the unit is unclear.
_MOST_WHOLE, _LEAST_RAW = 10**10, 10**6
_RAN = timedelta(hours=1)  # how often it ran: what it saw last may be that much older than what it wrote last
_MOST_BACK = timedelta(days=14)  # every block of it is read


@dataclass(frozen=True, slots=True)
class OldValue:
    """A number in the unit of the check, when it was seen, and where it was found; `memory` is as the verb keeps it."""

    number: Number
    at: datetime
    found_in: str
    memory: Mapping[str, Json]

    def __str__(self) -> str:
        number = str(self.number) if self.number == int(self.number) else f"{float(self.number):.12g}"
        return f"{number} of {to_text(self.at)[:16]}Z ({self.found_in})"


@dataclass(frozen=True, slots=True)
class _Written:
    """A number as it was written down, and when; `ran` is when that system wrote anything last."""

    number: Number
    at: datetime
    ran: datetime
    now: datetime


# What a verb remembers of one number.
_FORMS: Mapping[str, Callable[[_Written], Mapping[str, Json]]] = {
    "delta": lambda old: {"slots": [[to_text(old.at), to_text(old.at), *[write_number(old.number)] * 2]]},
    "never_falls": lambda old: {"mark": write_number(old.number)},
    "changed": lambda old: {"value": write_number(old.number)},
    "items": lambda old: items.first_memory(int(old.number), old.at),
    "logs": lambda old: logs.first_memory(
        datetime.fromtimestamp(int(old.number), UTC), min(old.now - old.ran + _RAN, _MOST_BACK)
    ),
}


@dataclass(frozen=True, slots=True)
class OldKey:
    """A line of the file: which condition starts from which key. `is_time`: the number is a Unix time."""

    condition: ConditionKey
    verb: str
    namespace: str
    key: str
    decimals: int | None = None
    raw: bool = False
    is_time: bool = False


@functools.cache
def old_keys() -> tuple[OldKey, ...]:
    """Return every line of the file."""
    lines = _FILE.read_text(encoding="utf-8").splitlines()
    return tuple(_old_key(*line.split()) for line in lines if line and not line.startswith("#"))


def _old_key(
    chain: str,
    monitor: str,
    check: str,
    subject: str,
    verb: str,
    namespace: str,
    key: str,
    decimals: str,
    how: str = "",
) -> OldKey:
    condition = ConditionKey(monitor, check, int(chain), "" if subject == "-" else subject)
    return OldKey(
        condition, verb, namespace, key, None if decimals == "-" else int(decimals), how == "raw", how == "time"
    )


def old_values(
    database: Database, monitors: Collection[str], known: Mapping[ConditionKey, Condition], now: datetime
) -> dict[ConditionKey, OldValue]:
    """Return where to start the conditions of these monitors that remember nothing; what cannot be is left out."""
    asked = [
        one for one in old_keys()
        if one.condition.monitor in monitors and not _remembers(known.get(one.condition))
    ]  # fmt: skip
    found = {one.condition: _read(database, one, now) for one in asked}
    return {key: value for key, value in found.items() if value is not None}


def _remembers(condition: Condition | None) -> bool:
    """Return whether a condition remembers anything of its own; one without data since its first sight does not."""
    return condition is not None and bool(condition.memory.keys() - {"old"})


def _read(database: Database, asked: OldKey, now: datetime) -> OldValue | None:
    row, time = (_get(database, asked.namespace, key) for key in (asked.key, f"{asked.key}_ts"))
    number = _in_unit(_number(row.value), asked) if row else None
    at = (_instant(_number(time.value)) if time else max(row.updated_at, _EPOCH)) if row else None
    if number is None or at is None or at > now or (asked.is_time and number > now.timestamp()):
        return None
    ran = state.last_written(database, asked.namespace)
    memory = _FORMS[asked.verb](_Written(number, at, min(max(ran, _EPOCH), now), now))
    return OldValue(number, at, f"{asked.namespace}: {asked.key}", memory)


def _get(database: Database, namespace: str, key: str) -> state.StoredValue | None:
    """Read a key; addresses in it may stand in small letters."""
    return state.get(database, namespace, key) or state.get(database, namespace, key.lower())


def _number(text: str) -> Fraction | None:
    return Fraction(text.strip()) if _NUMBER.fullmatch(text.strip()) else None


def _instant(seconds: Fraction | None) -> datetime | None:
    try:
        return datetime.fromtimestamp(float(seconds), UTC) if seconds is not None else None
    except (OverflowError, OSError, ValueError):
        return None


def _in_unit(number: Fraction | None, asked: OldKey) -> Fraction | None:
    if number is None or asked.decimals is None:
        return number
    one = 10**asked.decimals
    if number >= _LEAST_RAW * one:
        return number if asked.raw else number / one
    return (number * one if asked.raw else number) if number < _MOST_WHOLE else None
