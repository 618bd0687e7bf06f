"""The chart of a check: its readings as periods, the times without any as gaps, and what happened as marks. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from fractions import Fraction

from monitoring.conditions.values import Number
from monitoring.store.readings.history import ReadingSpan
from monitoring.web.charts.series import ChartMark, LineChart, MarkKind, Period

_SHORTEST = timedelta(minutes=10)  # of a chart, so that its time axis has round minutes


def value_chart(
    name: str, spans: Sequence[ReadingSpan], marks: Sequence[ChartMark], unit: str, since: datetime, until: datetime
) -> LineChart:
    """Return the chart; one of a young check begins shortly before its first reading, not with an empty half."""
    found = list(periods(spans))
    begin = _begin(found, marks, since, until)
    return LineChart(name, begin, until, found, marks, unit, asked_from=since if begin > since else None)


def _begin(found: Sequence[Period], marks: Sequence[ChartMark], since: datetime, until: datetime) -> datetime:
    known = [period.begins_at for period in found[:1]]
    # Alerts are older than readings where the release before kept none.
    known += [mark.at for mark in marks if mark.kind is not MarkKind.DEPLOYED and mark.at >= since] if known else []
    first = min(known, default=since)
    if first - since <= until - first:
        return since
    return until - max(until - first, _SHORTEST) * 1.05


def periods(spans: Iterable[ReadingSpan]) -> Iterator[Period]:
    """Yield readings as periods; a gap reaches from the last value before it to the first one after it."""
    before: Period | None = None
    for span in spans:
        own = _period(span)
        if before is not None and (span.gap or not (own.has_data and before.has_data)):
            lower, upper = before.lower, before.upper
            if own.has_data or before.has_data:
                yield Period(before.ends_at, own.begins_at, lower=lower, upper=upper)
        yield own
        before = own


def _period(span: ReadingSpan) -> Period:
    return Period(
        span.first_at, span.last_at, _exact(span.last), _exact(span.low), _exact(span.high), _exact(span.lower),
        _exact(span.upper),
    )  # fmt: skip


def _exact(value: Number | None) -> Fraction | None:
    return None if value is None else Fraction(value)
