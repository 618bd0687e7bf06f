"""Brings readings out of a database that goes away (damaged, deleted, replaced), as far as they can be read.

After all else: alerts and what holds for people are safe by then. A day is read from both ends, so that a hole in it
costs what lies in the hole. What is lost is counted where other dropped readings are.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import apsw

from monitoring.base.errors import StoreError
from monitoring.base.plural import counted
from monitoring.store.db.database import Database, Row, Tx
from monitoring.store.readings.dropping import DroppedReadings, count, no_room
from monitoring.store.readings.writing import DAY_S

log = logging.getLogger("monitoring.store")
_LOOKED_BACK = 400  # ours, in days: where nobody can read which there are, and of a clock in the future
_NO_LIMITS = 0  # the number of no row: a value whose limits cannot be read is a value all the same
_HAS_TABLE = "SELECT 1 FROM sqlite_master WHERE name = 'readings'"


@dataclass
class _LostReadings:
    """The database that goes away, and what of it could not be read."""

    connection: apsw.Connection
    holes: int = 0

    def rows(self, sql: str, *parameters: object) -> list[Row]:
        """Return the rows until the first that cannot be read."""
        found: list[Row] = []
        try:
            found.extend(self.connection.execute(sql, parameters))
        except (apsw.Error, UnicodeDecodeError):
            self.holes += 1
        return found

    def both_ends(self, names: Sequence[str], rest: str, *parameters: object, order: Sequence[str]) -> list[Row]:
        """Return what can be read of a table from either end."""
        sql, before = f"SELECT {', '.join(names)} {rest} ORDER BY ", self.holes
        found = self.rows(sql + ", ".join(order), *parameters)
        if self.holes == before:
            return found
        others = self.rows(sql + ", ".join(f"{name} DESC" for name in order), *parameters)
        return list(dict.fromkeys([*found, *others]))


@dataclass
class _SalvagedReadings:
    """From where to where, and under which numbers series and limits are kept there."""

    source: _LostReadings
    series: dict[int, int] = field(default_factory=dict)
    limits: dict[int, int] = field(default_factory=dict)
    lost: int = 0
    days: list[int] = field(default_factory=list)

    def known(self, tx: Tx) -> None:
        """Give each series and each row of limits a number in the database that stays."""
        for table, key, numbers in (
            ("reading_series", ("monitor", "check_name", "chain", "subject"), self.series),
            ("reading_limits", ("content",), self.limits),
        ):
            names = self._shared(tx, table)
            for row in self.source.both_ends(names, f"FROM {table} NOT INDEXED", order=["id"]):
                number = _number_of(tx, table, key, dict(zip(names, row, strict=True)))
                if number is not None:
                    numbers[row[names.index("id")]] = number

    def open_ones(self, tx: Tx) -> None:
        """Take over what goes on; where it goes on here already, the one that goes away has ended."""
        names = self._shared(tx, "open_readings")
        for row in self._translated(names, self.source.both_ends(names, "FROM open_readings", order=["series"])):
            if not _add(tx, "open_readings", names, [row]):
                given = dict(zip(names, row, strict=True))
                tx.execute(_ENDED, given)

    def day(self, tx: Tx, day: int) -> None:
        names, before = self._shared(tx, "readings"), self.source.holes
        found = self.source.both_ends(names, "FROM readings WHERE day = ?", day, order=["series", "last_s"])
        _add(tx, "readings", names, self._translated(names, found))
        self.days += [day] if found and self.source.holes > before else []

    def _shared(self, tx: Tx, table: str) -> list[str]:
        """Return the columns that both files have."""
        there = {str(row[1]) for row in self.source.rows(f"PRAGMA table_info({table})")}
        return [str(row[1]) for row in tx.execute(f"PRAGMA table_info({table})") if row[1] in there]

    def _translated(self, names: Sequence[str], rows: Sequence[Row]) -> Iterator[Row]:
        """Yield rows with the numbers of here; of a series that cannot be read nobody knows what it was."""
        series, limits = names.index("series"), names.index("limits")
        for row in rows:
            if row[series] not in self.series:
                self.lost += 1
                continue
            moved = list(row)
            moved[series] = self.series[row[series]]
            moved[limits] = self.limits.get(row[limits], _NO_LIMITS)
            yield tuple(moved)


_ENDED = """
INSERT OR IGNORE INTO readings (day, series, last_s, lasted_s, runs, value, reference, state, severity, limits,
    last_block, blocks, gap, inputs)
VALUES (:last_at / 86400, :series, :last_at % 86400, :last_at - :first_at, :runs, :value, :reference, :state,
    :severity, :limits, :last_block, :last_block - :first_block, :gap, :begun_with)
"""


def salvage_readings(source: apsw.Connection, fresh: Database, now: datetime) -> None:
    """Copy readings day by day, the newest first, while there is room; count and log what is lost. Never raises."""
    move, why = _SalvagedReadings(_LostReadings(source)), ""
    if not move.source.rows(_HAS_TABLE):
        return  # of a release that keeps none; or nothing of it can be read, as the report of the damage says
    try:
        with fresh.write() as tx:
            move.known(tx)
            move.open_ones(tx)
        for day in _days(move.source, now):
            if why := no_room(fresh.path):
                move.days.append(day)
                break
            with fresh.write() as tx:
                move.day(tx, day)
    except (StoreError, apsw.Error, TypeError, ValueError) as error:
        why = str(error)
    _say(fresh, move, why, now)


def _say(fresh: Database, move: _SalvagedReadings, why: str, now: datetime) -> None:
    if not (why or move.source.holes or move.lost):
        return
    days = f"{counted(len(move.days), 'day')} of readings could not be read whole"
    unread = days if move.days else "a part of them cannot be read"
    lost = DroppedReadings(move.lost + max(1, len(move.days)), f"the database was damaged or lost: {why or unread}")
    log.warning("%s: %s", fresh.path, lost.in_words)
    try:
        with fresh.write() as tx:
            count(tx, lost, now)
    except (StoreError, apsw.Error) as error:
        log.warning("%s: what was lost of readings could not be counted: %s", fresh.path, error)


def _days(source: _LostReadings, now: datetime) -> Iterator[int]:
    """Yield the days that have readings, the newest first; where nobody can read which, all that may have some."""
    today = int(now.timestamp()) // DAY_S
    day = today + _LOOKED_BACK
    while found := source.rows("SELECT max(day) FROM readings WHERE day < ?", day):
        if found[0][0] is None:
            return
        day = found[0][0]
        yield day
    newest = min(day - 1, today + 1)
    yield from range(newest, newest - _LOOKED_BACK, -1)


def _number_of(tx: Tx, table: str, key: Sequence[str], row: dict[str, object]) -> int | None:
    """Return the number of a row in the database that stays; none if damage made it unfit for its table."""
    names = [name for name in row if name != "id"]
    _add(tx, table, names, [tuple(row[name] for name in names)])
    same = " AND ".join(f"{name} = ?" for name in key)
    found = tx.execute(f"SELECT id FROM {table} WHERE {same}", [row[name] for name in key])  # noqa: S608 - ours
    return next((int(number) for (number,) in found), None)


def _add(tx: Tx, table: str, names: Sequence[str], rows: Iterator[Row] | Sequence[Row]) -> int:
    """Add the rows whose key is not there yet; return how many those are."""
    marks = ", ".join("?" * len(names))
    before = tx.total_changes()
    tx.executemany(f"INSERT OR IGNORE INTO {table} ({', '.join(names)}) VALUES ({marks})", rows)  # noqa: S608 - ours
    return tx.total_changes() - before
