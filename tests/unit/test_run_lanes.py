"""The tasks of a run on one line of time: where each bar begins and ends, and what it says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from monitoring.store.tables.runs import RunRow, TaskRun
from monitoring.web.charts.lanes import WIDTH, lanes

BEGIN = datetime(2026, 11, 30, 1, 5, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return BEGIN + timedelta(seconds=seconds)


def run(ended_at: datetime | None) -> RunRow:
    status = "ok" if ended_at else "running"
    return RunRow(1, "hourly", BEGIN, "cron", status, "", BEGIN, ended_at, 0, "r", None, "p", 3)  # type: ignore[arg-type]


def task(name: str, began: float, ended: float | None) -> TaskRun:
    ended_at = at(ended) if ended is not None else None
    return TaskRun(1, name, "ok" if ended else "running", "", at(began), ended_at, None, None)  # type: ignore[arg-type]


def test_a_bar_begins_when_its_task_began_and_is_as_wide_as_it_took() -> None:
    found = lanes(run(at(10)), [task("one", 0, 4), task("two", 4, 10)], at(99))
    assert (found["one"].x, found["one"].width) == (0, WIDTH * 0.4)
    assert (found["two"].x, found["two"].width) == (WIDTH * 0.4, WIDTH * 0.6)
    assert found["two"].words == "began after 4 s, ran 6 s"


def test_a_task_that_still_runs_reaches_to_now() -> None:
    found = lanes(run(None), [task("one", 0, 5), task("two", 5, None)], at(20))
    assert found["two"].x + found["two"].width == WIDTH
    assert found["two"].words == "began after 5 s, ran 15 s so far"


def test_nothing_leaves_the_picture_when_a_clock_was_set_back_or_no_time_passed() -> None:
    for found in (
        lanes(run(at(10)), [task("early", -5, -4), task("late", 11, 12)], at(9)),
        lanes(run(BEGIN), [task("at once", 0, 0)], BEGIN),
    ):
        for lane in found.values():
            assert lane.x >= 0
            assert lane.width >= 6
            assert lane.x + lane.width <= WIDTH
