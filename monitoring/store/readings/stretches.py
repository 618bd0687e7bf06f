"""Stretches of one series between two instants, in the order of time: what `history`, `watched` and backtests go by."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from monitoring.conditions.severity import Severity
from monitoring.conditions.values import Number
from monitoring.store.db.database import Row, Tx, fetch
from monitoring.store.readings.exact_text import Numeric, from_column, number_of
from monitoring.store.readings.inputs_text import NamedValues, inputs_from_text
from monitoring.store.readings.limits import ReadingLimits
from monitoring.store.readings.reading import ReadingState
from monitoring.store.readings.writing import DAY_S

_COLUMNS = "runs, value, reference, r.state, r.severity, l.content, last_block"
# One seek a day: a day has the rows of a series side by side.
_OVER = (
    f"SELECT day * {DAY_S} + last_s - lasted_s, day * {DAY_S} + last_s, {_COLUMNS}, last_block - blocks, gap, inputs "  # noqa: S608 - names of our own
    "FROM readings r LEFT JOIN reading_limits l ON l.id = r.limits "
    "WHERE day = ? AND series = ? AND last_s >= ? ORDER BY last_s"
)
_OPEN = (
    f"SELECT first_at, last_at, {_COLUMNS}, first_block, gap, begun_with "  # noqa: S608 - likewise
    "FROM open_readings r LEFT JOIN reading_limits l ON l.id = r.limits WHERE series = ?"
)
# The days that have any row, each found by one seek.
_NEXT_DAY = "SELECT min(day) FROM readings WHERE day > ?"
_STATES = {int(state): state for state in ReadingState}


@dataclass(frozen=True, slots=True)
class ReadingStretch:
    """A time in which `runs` readings were equal: exact value, limits, state.

    `value` and `reference` are what was read (of an age the instant it counts from, in unix seconds). `gap`: nothing
    was read for a while before. `inputs` are those of the first reading, where another state began with it.
    """

    first_at: datetime
    last_at: datetime
    runs: int
    value: Numeric | None
    reference: Number | None
    state: ReadingState
    severity: Severity
    limits: ReadingLimits
    first_block: int | None = None
    last_block: int | None = None
    gap: bool = False
    inputs: NamedValues = ()


def stretches(tx: Tx, series: int, since: datetime, until: datetime) -> Iterator[ReadingStretch]:
    """Yield what overlaps the time from `since` to `until`, the oldest first. Some seeks a day, no scan."""
    first, last = int(since.timestamp()), int(until.timestamp())
    known: dict[str | None, ReadingLimits] = {}
    going = fetch(tx, _OPEN, (series,))
    for row in _ended(tx, series, first, _without_end(going, last)):
        if row[0] > last:
            break
        yield _stretch(row, known)
    # Apart: what a clock in the future wrote may lie before it.
    for row in going:
        if row[0] <= last and row[1] >= first:
            yield _stretch(row, known)


def _without_end(going: list[Row], last: int) -> range:
    """Return the days after `last` on which nothing ended, since what goes on had begun.

    Later days are looked at: a clock in the future may have written there what began long before.
    """
    if not going:
        return range(0)
    first_at, last_at = going[0][:2]
    return range(max(first_at, last) // DAY_S + 1, last_at // DAY_S)


def _ended(tx: Tx, series: int, first: int, left_out: range) -> Iterator[Row]:
    """Yield the rows that are over and end at `first` or later, day by day."""
    day: int | None = first // DAY_S
    start = first % DAY_S
    while day is not None:
        yield from fetch(tx, _OVER, (day, series, start))
        day, start = _next_day(tx, day), 0
        if day in left_out:
            day = _next_day(tx, left_out[-1])


def _next_day(tx: Tx, day: int) -> int | None:
    found = tx.execute(_NEXT_DAY, (day,)).fetchone()
    return found[0] if found else None


def _stretch(row: Row, known: dict[str | None, ReadingLimits]) -> ReadingStretch:
    first_at, last_at, runs, value, reference, state, severity, limits, last_block, first_block, gap, inputs = row
    if limits not in known:
        known[limits] = ReadingLimits.from_text(limits)
    return ReadingStretch(
        instant(first_at), instant(last_at), runs, from_column(value), number_of(reference), state_of(state),
        severity_of(severity), known[limits], first_block, last_block, bool(gap), inputs_from_text(inputs),
    )  # fmt: skip


def instant(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def state_of(number: int) -> ReadingState:
    """Return a state; one that a later release wrote is as if it were ok."""
    return _STATES.get(number, ReadingState.OK)


def severity_of(number: int) -> Severity:
    return Severity(number) if 0 <= number <= Severity.CRITICAL else Severity.LOW
