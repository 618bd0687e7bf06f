"""A check's value and limits over time, in few enough points to draw; minimum and maximum of each lose no spike."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import chain, groupby, islice

from monitoring.conditions.condition import ConditionKey
from monitoring.conditions.severity import Severity
from monitoring.conditions.values import Number
from monitoring.store.db.compatibility import has_table
from monitoring.store.db.database import Database, Tx
from monitoring.store.readings.limits import ReadingLimits
from monitoring.store.readings.measured import measured
from monitoring.store.readings.reading import ReadingState
from monitoring.store.readings.stretches import ReadingStretch, stretches

_WORST_FIRST = {
    state: number
    for number, state in enumerate((
        ReadingState.FIRING, ReadingState.HAPPENED, ReadingState.NO_DATA, ReadingState.PENDING, ReadingState.PAUSED,
        ReadingState.OK,
    ))
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class ReadingSpan:
    """What was read from `first_at` to `last_at` (both UTC, both readings), in `runs` readings.

    `low`, `high` and `last` are in the unit of the check (seconds of an age), none where nothing was known; `lower`
    and `upper` the mildest limits at its end, `limits` all of them. `state` is the worst of it, with its severity.
    `gap`: before it nothing was read for a while, so no line may lead to it. A state of no data has no value.
    """

    first_at: datetime
    last_at: datetime
    runs: int
    low: Number | None
    high: Number | None
    last: Number | None
    lower: Number | None
    upper: Number | None
    limits: ReadingLimits
    state: ReadingState
    severity: Severity
    gap: bool = False
    block: int | None = None


def history(
    database: Database | Tx,
    check: ConditionKey,
    since: datetime,
    until: datetime,
    points: int | None = None,
    *,
    step: timedelta | None = None,
) -> list[ReadingSpan]:
    """Return the spans that overlap the time, the oldest first, each cut to it.

    Every change is one; with `points` they are put together where they are more than that, to so many and one more at
    most, with `step` to one for each step of the time. That keeps minimum, maximum, last value and the worst state.
    """
    if isinstance(database, Database):
        return database.read(lambda tx: history(tx, check, since, until, points, step=step))
    series = series_of(database, check)
    if series is None:
        return []
    every = stretches(database, series[0], since, until)
    spans: Iterator[ReadingSpan] = (_span(one, series[1], since, until) for one in every)
    if step is None:
        found = list(islice(spans, None if points is None else points + 1))
        if points is None or len(found) <= points:
            return found
        spans = chain(found, spans)
    width = step or (until - since) / (points or 1)
    return list(_put_together(spans, since, width)) if width > timedelta(0) else list(spans)


def series_of(tx: Tx, check: ConditionKey) -> tuple[int, str] | None:
    """Return the number of a check's series and its verb."""
    if not has_table(tx, "reading_series"):
        return None
    found = tx.execute(
        "SELECT id, verb FROM reading_series WHERE monitor = ? AND check_name = ? AND chain = ? AND subject = ?",
        tuple(check.named.values()),
    ).fetchone()
    return (int(found[0]), str(found[1])) if found else None


def _span(one: ReadingStretch, verb: str, since: datetime, until: datetime) -> ReadingSpan:
    first_at, last_at = max(one.first_at, since), min(one.last_at, until)
    last_at = max(first_at, last_at)
    begin, last = measured(verb, one.value, first_at), measured(verb, one.value, last_at)
    # What does not age is one number, which is not compared with itself: there may be a hundred thousand of them.
    ends = (last, last) if begin is last or begin is None or last is None else (min(begin, last), max(begin, last))
    limits = one.limits.absolute(one.reference)
    return ReadingSpan(
        first_at, last_at, one.runs, *ends, last,
        limits.lower[0].at if limits.lower else None, limits.upper[0].at if limits.upper else None, limits,
        one.state, one.severity, one.gap, one.last_block,
    )  # fmt: skip


def _put_together(spans: Iterable[ReadingSpan], since: datetime, width: timedelta) -> Iterator[ReadingSpan]:
    """Join the spans that begin in the same step. A gap shorter than a step is not seen any more."""
    for _, together in groupby(spans, lambda span: (span.first_at - since) // width):
        group = list(together)
        yield group[0] if len(group) == 1 else _joined(group)


def _joined(group: Sequence[ReadingSpan]) -> ReadingSpan:
    worst = min(group, key=lambda one: (_WORST_FIRST[one.state], -one.severity))
    return replace(
        group[-1],
        first_at=group[0].first_at,
        runs=sum(one.runs for one in group),
        low=min((one.low for one in group if one.low is not None), default=None),
        high=max((one.high for one in group if one.high is not None), default=None),
        last=next((one.last for one in reversed(group) if one.last is not None), None),
        state=worst.state,
        severity=worst.severity,
        gap=group[0].gap,
    )
