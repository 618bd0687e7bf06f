"""Where the alerts between two instants lie: spans of ids, the newest first. Reads only.

`sort_at` never falls with the id, so an instant is a bound of the id. Rows that lie behind it (adopted out of order,
or stored while the clock was behind) are found by the zones of migration 0004; without such rows no zone is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from monitoring.clock import to_text
from monitoring.store.database import Database

Span = tuple[int, int | None]  # first id, and the id before which it ends

# Ten minutes, as a row counts as late, and one of slack.
_BEHIND = timedelta(minutes=11)
_LATEST = datetime.max.replace(tzinfo=UTC) - _BEHIND
_LARGEST_ID = 2**63 - 1
# A page mostly ends in the first zones; one that finds little asks for ever more of them at once.
_FIRST_ZONES, _MOST_ZONES = 8, 4096

_FIRST_AT = "SELECT id FROM alert_events INDEXED BY alert_sort_at WHERE sort_at >= ? ORDER BY sort_at, id LIMIT 1"
_FIRST_LATE = "SELECT min(zone) FROM alert_late"
_IN_ORDER, _LATE = ("alert_zones", 10), ("alert_late", 7)  # table, and how many bits of the id a zone leaves out
_ZONES = "SELECT zone FROM {} WHERE zone >= ? AND zone <= ? AND newest >= ? AND oldest < ? ORDER BY zone DESC LIMIT ?"


def spans(database: Database, since: datetime | None, until: datetime | None, before_id: int | None) -> Iterator[Span]:
    """Yield spans of ids below `before_id` that hold every row of [since, until), and few others."""
    first = 0 if since is None else id_from(database, since)
    if first is None:
        return
    beyond = None if until is None or until > _LATEST else id_from(database, until + _BEHIND)
    if (since is None and until is None) or database.row(_FIRST_LATE) == (None,):
        yield first, _lower(beyond, before_id)
        return
    end = _LARGEST_ID if before_id is None else before_id
    instants = (to_text(since) if since else "", to_text(until) if until else "\U0010ffff")
    if beyond is not None:
        yield from _zoned(database, _LATE, (max(beyond, first), end), instants)
        end = min(end, beyond)
    yield from _zoned(database, _IN_ORDER, (first, end), instants)


def id_from(database: Database, instant: datetime) -> int | None:
    """Return the first id stored at or after an instant; none if all are older."""
    found = database.row(_FIRST_AT, [to_text(instant)])
    return int(found[0]) if found else None


def questions(since: datetime | None, until: datetime | None) -> list[tuple[str, list[Any]]]:
    """Return every query that finding the spans may take, for who wants to see how SQLite means to do it."""
    found: list[tuple[str, list[Any]]] = [(_FIRST_AT, [to_text(at)]) for at in (since, until) if at is not None]
    if found:
        found += [(_FIRST_LATE, []), *((_ZONES.format(table), [0, 1, "", "", 1]) for table, _ in (_IN_ORDER, _LATE))]
    return found


def _zoned(
    database: Database, zones: tuple[str, int], bounds: tuple[int, int], instants: tuple[str, str]
) -> Iterator[Span]:
    """Yield the spans of the zones that can hold a row, neighbours joined, cut to the bounds."""
    table, bits = zones
    first, end = bounds
    newest, count = (end - 1) >> bits, _FIRST_ZONES
    while newest >= first >> bits:
        found = [row[0] for row in database.rows(_ZONES.format(table), [first >> bits, newest, *instants, count])]
        for low, high in _joined(found):
            yield max(first, low << bits), min(end, (high + 1) << bits)
        if len(found) < count:
            return
        newest, count = found[-1] - 1, min(count * 8, _MOST_ZONES)


def _joined(zones: list[int]) -> Iterator[tuple[int, int]]:
    """Join falling numbers that follow one another into (lowest, highest)."""
    begin = 0
    for number in range(1, len(zones) + 1):
        if number == len(zones) or zones[number] != zones[number - 1] - 1:
            yield zones[number - 1], zones[begin]
            begin = number


def _lower(one: int | None, other: int | None) -> int | None:
    return min((bound for bound in (one, other) if bound is not None), default=None)
