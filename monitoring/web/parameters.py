"""Query strings read strictly: an unknown name, or a value that is not of its kind, is an error that says so."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from typing import Any
from urllib.parse import parse_qsl, unquote_to_bytes

from monitoring.base.clock import from_text, parse_duration
from monitoring.base.errors import UsageError
from monitoring.store.tables.alerts import SEVERITIES
from monitoring.web.http import HttpError

MAX_LIMIT = 500
LARGEST_ID = 2**63 - 1  # of SQLite
LONGEST_AUDIT = timedelta(days=90)  # as long as `prune` keeps
_LONGEST_TEXT = 200
_LONGEST_KEY = 1000
_LARGEST_CHAIN = 2**53 - 1  # what every reader of JSON holds exactly
_INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}(:\d{2}([.,]\d{1,9})?)?([Zz]|[+-]\d{2}:?\d{2})", re.ASCII)
_MOST_PARAMETERS = 20

ReadValue = Callable[[str], Any]


def bad_parameter(message: str) -> HttpError:
    return HttpError(400, "bad_parameter", message)


def read_query(query: bytes, known: Mapping[str, ReadValue], *, blank_is_unset: bool = False) -> dict[str, Any]:
    """Return the parameters that were given, read.

    Raises:
        HttpError: a name is unknown or given twice, or a value is not of its kind.
    """
    values: dict[str, Any] = {}
    for name, text in _pairs(query):
        if name not in known:
            raise HttpError(400, "unknown_parameter", _unknown(name, known))
        if name in values:
            raise bad_parameter(f"{name} is given twice: give it once")
        if text or not blank_is_unset:
            values[name] = _read(name, text, known[name])
    return values


def _pairs(query: bytes) -> list[tuple[str, str]]:
    try:
        unquote_to_bytes(query).decode("utf-8")
        return parse_qsl(query.decode("ascii"), keep_blank_values=True, max_num_fields=_MOST_PARAMETERS)
    except UnicodeDecodeError:
        raise bad_parameter("the query is not percent-encoded UTF-8") from None
    except ValueError:
        raise bad_parameter(f"more than {_MOST_PARAMETERS} parameters are given") from None


def _unknown(name: str, known: Mapping[str, ReadValue]) -> str:
    shown = name[:50]
    if not known:
        return f"unknown parameter {shown!r}: this route takes none"
    near = get_close_matches(shown, known, n=1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    return f"unknown parameter {shown!r}{hint}: this route takes {', '.join(sorted(known))}"


def _read(name: str, text: str, read: ReadValue) -> Any:  # noqa: ANN401 - each kind its own
    try:
        return read(text)
    except (UsageError, ValueError, OverflowError) as error:
        raise bad_parameter(f"{name}={text[:50]!r} cannot be used: {error}") from None


def limit(text: str) -> int:
    """Read how many to give: 1 to 500."""
    number = _digits(text)
    if not 1 <= number <= MAX_LIMIT:
        raise ValueError(f"write a whole number from 1 to {MAX_LIMIT}")
    return number


def cursor(text: str) -> int:
    """Read what an earlier page gave as `next_cursor`."""
    number = _digits(text)
    if number > LARGEST_ID:
        raise ValueError("write what an earlier page gave as next_cursor")
    return number


def chain(text: str) -> int:
    """Read the number of a chain; 0 is what no chain has."""
    number = _digits(text)
    if number > _LARGEST_CHAIN:
        raise ValueError("no chain has so large a number")
    return number


def _digits(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,19}", text):
        raise ValueError("write a whole number")
    return int(text)


def instant(text: str) -> datetime:
    """Read ISO 8601 with a time zone; a lost plus sign is the usual mistake."""
    if re.fullmatch(r".*:\d{2}(\.\d+)? \d{2}:?\d{2}", text):
        raise ValueError("the + of a time zone is written %2B in a URL")
    if not _INSTANT.fullmatch(text):
        raise ValueError("write date and time with a time zone, as in 2026-11-23T08:00:00Z")
    parsed = datetime.fromisoformat(text.upper().replace(",", "."))
    try:
        return parsed.astimezone(UTC)
    except OverflowError:  # the first and last hours that a datetime can hold, in another zone
        return parsed.replace(tzinfo=UTC)


def day_or_instant(text: str) -> datetime:
    """Read what a form sends: a day, which begins at midnight UTC, or an instant."""
    return from_text(text) if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text, re.ASCII) else instant(text)


def severity(text: str) -> str:
    return one_of(*SEVERITIES)(text)


def one_of(*values: str) -> Callable[[str], str]:
    """Return what reads exactly one of these words."""

    def read(text: str) -> str:
        if text not in values:
            raise ValueError(f"write one of {', '.join(values)}")
        return text

    return read


def text(value: str) -> str:
    """Read a name, as it is stored."""
    if not 1 <= len(value) <= _LONGEST_TEXT:
        raise ValueError(f"write 1 to {_LONGEST_TEXT} characters")
    return value


def key(value: str) -> str:
    """Read a part of the key of a condition, as it is stored: a subject may be long."""
    if len(value) > _LONGEST_KEY:
        raise ValueError(f"write at most {_LONGEST_KEY} characters")
    return value


def span(text: str) -> timedelta:
    """Read a duration of an audit."""
    duration = parse_duration(text) if re.fullmatch(r"[0-9]{1,7}[smhd]?", text) else timedelta(0)
    if not timedelta(minutes=1) <= duration <= LONGEST_AUDIT:
        raise ValueError("write a duration from 1m to 90d, as in 24h")
    return duration
