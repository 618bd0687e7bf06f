"""Any accepted expression, against a second reading that tests every minute by itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from monitoring.base.errors import UsageError
from monitoring.ledger.cron import Cron
from tests.support.properties import patient

BOUNDS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 6))
WORDS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
DAYS = 40


@dataclass(frozen=True)
class Written:
    """A field as text, the values it means, and whether it holds a bare star."""

    text: str
    values: frozenset[int]
    free: bool


@st.composite
def items(draw: st.DrawFn, low: int, high: int) -> Written:
    step = draw(st.integers(1, high))
    kind = draw(st.sampled_from(["*", "?", "*/n", "a", "a/n", "a-b", "a-b/n"]))
    first, last = sorted((draw(st.integers(low, high)), draw(st.integers(low, high))))
    spelled: Callable[[int], str] = WORDS.__getitem__ if high == 6 and draw(st.booleans()) else str
    text = kind.replace("a", spelled(first)) if kind.startswith("a") else kind
    text = text.replace("-b", f"-{spelled(last)}").replace("/n", f"/{step}")
    if kind == "a":
        return Written(text, frozenset({first}), free=False)
    start, end = (low, high) if not kind.startswith("a") else (first, last if "b" in kind else high)
    return Written(text, frozenset(range(start, end + 1, step if "n" in kind else 1)), free=kind in "*?")


def fields(low: int, high: int) -> st.SearchStrategy[Written]:
    def join(parts: list[Written]) -> Written:
        values = frozenset[int]().union(*(part.values for part in parts))
        return Written(",".join(part.text for part in parts), values, any(part.free for part in parts))

    return st.lists(items(low, high), min_size=1, max_size=3).map(join)


expressions = st.tuples(*(fields(low, high) for low, high in BOUNDS))
START = datetime(2024, 1, 1, tzinfo=UTC)
instants = st.timedeltas(timedelta(0), timedelta(days=3000)).map(lambda since: START + since)


def read(text: str) -> Cron | str:
    """The expression, or the words it is refused with."""
    try:
        return Cron.parse(text)
    except UsageError as refusal:
        return str(refusal)


def matches_day(written: tuple[Written, ...], day: datetime) -> bool:
    _, _, of_month, month, of_week = written
    by_month_day = day.day in of_month.values
    by_weekday = day.isoweekday() % 7 in of_week.values
    if of_month.free or of_week.free:
        by_day = (of_month.free or by_month_day) and (of_week.free or by_weekday)
    else:
        by_day = by_month_day or by_weekday
    return by_day and day.month in month.values


def expected_ticks(written: tuple[Written, ...], after: datetime, until: datetime) -> list[datetime]:
    minute = after.replace(second=0, microsecond=0)
    ticks = []
    while (minute := minute + timedelta(minutes=1)) <= until:
        if not matches_day(written, minute):
            minute = minute.replace(hour=23, minute=59)
        elif minute.minute in written[0].values and minute.hour in written[1].values:
            ticks.append(minute)
    return ticks


@patient
@given(expressions, instants, st.timedeltas(timedelta(0), timedelta(days=DAYS)))
def test_the_ticks_are_those_of_a_reading_minute_by_minute(
    written: tuple[Written, ...], after: datetime, span: timedelta
) -> None:
    cron = read(" ".join(field.text for field in written))
    if isinstance(cron, str):
        assert "no month named has a day" in cron  # the only fault these expressions can have
        return
    until = after + span
    ticks = list(cron.ticks(after, until))
    assert ticks == expected_ticks(written, after, until)
    assert ticks == list(Cron.parse(cron.canonical).ticks(after, until))
    assert Cron.parse(cron.canonical).canonical == cron.canonical


@patient
@given(expressions, instants)
def test_the_previous_tick_and_the_next_one_meet(written: tuple[Written, ...], instant: datetime) -> None:
    cron = read(" ".join(field.text for field in written))
    if isinstance(cron, str):
        return
    previous, following = cron.previous_at_or_before(instant), cron.next_after(instant)
    assert previous <= instant < following
    assert cron.next_after(previous) == following
    assert cron.previous_at_or_before(following) == following


@patient
@given(st.text(max_size=30) | st.text("0123456789*/,-?@ lw#sunjan\t", max_size=30))
def test_any_text_is_read_or_refused_with_a_reason(text: str) -> None:
    cron = read(text)
    assert cron
    if isinstance(cron, Cron):
        assert Cron.parse(cron.canonical) == cron
