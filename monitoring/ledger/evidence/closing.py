"""When a day is reported, and what its digest covers. Called by the run that reports it, and to verify it later."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from monitoring.ledger.evidence.digest import VERSION, digest_of, hash_rows
from monitoring.ledger.evidence.numbers import start_of
from monitoring.store.db.database import Tx
from monitoring.store.evidence import closed_days, covered
from monitoring.store.evidence.closed_days import ClosedDay, ClosedRows
from monitoring.store.evidence.covered import COVERED

_DAY = timedelta(days=1)
_SETTLED = timedelta(minutes=10)  # ours: the last ticks of a day have ended, or their rows are written
_MOST_DAYS = 92  # of one message, on a host that was off for longer
_CLOCK_AHEAD = timedelta(days=1)  # what was closed later than this from now was closed by a clock that was wrong


@dataclass(frozen=True, slots=True)
class DueDay:
    """A day that is to be reported, and the days before it that were not."""

    day: date
    since: date

    @property
    def missed(self) -> tuple[date, ...]:
        return tuple(self.since + _DAY * index for index in range((self.day - self.since).days))


def due_day(tx: Tx, now: datetime, after_midnight: timedelta) -> DueDay | None:
    """Return the day that is to be reported now, if it is not yet: yesterday, so long after midnight UTC.

    Nothing before there is one to build on: `begin` writes it.
    """
    day = (now - max(after_midnight, _SETTLED)).date() - _DAY
    before = closed_days.newest_before(tx, now + _CLOCK_AHEAD)
    if before is None or before.day >= day or any(each.day == day for each in closed_days.of_day(tx, day)):
        return None
    return DueDay(day, max(before.day + _DAY, day - _DAY * _MOST_DAYS))


def begin(tx: Tx, now: datetime) -> bool:
    """Write from which row on days are covered, if nothing says so yet: the first one reported is today."""
    if closed_days.newest(tx) is not None:
        return False
    last = [(table, covered.last_id(tx, table)) for table in COVERED]
    found = [hash_rows(tx, table, last_id, last_id, (), ()) for table, last_id in last]
    yesterday = now.date() - _DAY
    closed = ClosedDay(0, yesterday, yesterday, VERSION, now, "{}", "", "")
    closed_days.add(tx, replace(closed, digest=digest_of(closed, found)), found)
    return True


def close(tx: Tx, due: DueDay, numbers: str, now: datetime) -> tuple[ClosedDay, list[ClosedRows]]:
    """Return a day as it is to be written, with its digest."""
    before = closed_days.newest(tx)
    known = closed_days.rows_of(tx, before.id) if before else {}
    end = start_of(due.day + _DAY)
    found = list(_cover(tx, known, end))
    closed = ClosedDay(0, due.day, due.since, VERSION, now, numbers, before.digest if before else "", "")
    return replace(closed, digest=digest_of(closed, found)), found


def _cover(tx: Tx, known: dict[str, ClosedRows], end: datetime) -> Iterable[ClosedRows]:
    for table in COVERED:
        before = known.get(table.name)
        # A table that this release covers for the first time is covered from here on.
        after_id = before.last_id if before else covered.last_id(tx, table)
        carried = before.open_ids if before else ()
        last_id = covered.newest_id(tx, table, after_id, end)
        ids = covered.ids(tx, table, after_id, last_id, carried)
        open_ids = set(ids) - covered.final_ids(tx, table, ids, end)
        yield hash_rows(tx, table, after_id, last_id, carried, sorted(open_ids))
