"""Which parts of the history can hold alerts between two instants, the newest part first. Reads only.

`sort_at` never falls with the id, so an instant is a bound of the id. Rows that lie behind it (adopted out of order,
or stored while the clock was behind) are found by the zones of migration 0004; without such rows no zone is read.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from monitoring.base.clock import to_text
from monitoring.store.db.database import Database

# Ten minutes, as a row counts as late, and one of slack.
_BEHIND = timedelta(minutes=11)
_LATEST = datetime.max.replace(tzinfo=UTC) - _BEHIND
LARGEST_ID = 2**63 - 1  # of SQLite

_FIRST_AT = "SELECT id FROM alert_events INDEXED BY alert_sort_at WHERE sort_at >= ? ORDER BY sort_at, id LIMIT 1"
_FIRST_LATE = "SELECT min(zone) FROM alert_late"


@dataclass(frozen=True, slots=True)
class Zones:
    """A table with the instants of each `1 << bits` ids."""

    table: str
    bits: int


IN_ORDER, LATE = Zones("alert_zones", 10), Zones("alert_late", 7)


@dataclass(frozen=True, slots=True)
class IdRange:
    """Ids from `first` on and below `end`; of them only those in zones that can hold a row, where there are zones."""

    first: int = 0
    end: int = LARGEST_ID
    zones: Zones | None = None


def parts(database: Database, since: datetime | None, until: datetime | None, before_id: int | None) -> list[IdRange]:
    """Return the parts below `before_id` that hold every row of [since, until), and few others."""
    end = LARGEST_ID if before_id is None else before_id
    first = 0 if since is None else id_from(database, since)
    if first is None:
        return []
    beyond = None if until is None or until > _LATEST else id_from(database, until + _BEHIND)
    in_order = IdRange(first, end if beyond is None else min(end, beyond))
    if (since is None and until is None) or database.row(_FIRST_LATE) == (None,):
        return [in_order]
    stepping = IdRange(in_order.first, in_order.end, IN_ORDER)
    return [stepping] if beyond is None else [IdRange(max(first, beyond), end, LATE), stepping]


def id_from(database: Database, instant: datetime) -> int | None:
    """Return the first id stored at or after an instant; none if all are older."""
    found = database.row(_FIRST_AT, [to_text(instant)])
    return int(found[0]) if found else None


def questions(since: datetime | None, until: datetime | None) -> list[tuple[str, list[Any]]]:
    """Return every query that finding the parts may take, for who wants to see how SQLite means to do it."""
    found: list[tuple[str, list[Any]]] = [(_FIRST_AT, [to_text(at)]) for at in (since, until) if at is not None]
    return [*found, (_FIRST_LATE, [])] if found else []
