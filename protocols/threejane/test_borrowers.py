"""The drill of 3Jane's borrowers: whole answers through the reader that a run reads with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from protocols.threejane.borrowers import VARIABLE, main
from utils.testing import RecordedAnswers, Run, SimClock, run

ENVIRON = {VARIABLE: "https://indexer.example.org/v1/graphql"}
ROWS = "data.ThreeJaneBorrowerMarket"
DAYS_TO_DEFAULT = 30  # from the end of a cycle: seven of grace, 23 of delinquency


def watch(folder: Path, clock: SimClock, changes: dict[str, Any] | None = None, **broken: Any) -> Run:
    answers = RecordedAnswers({"borrowers": changes or {}}, **broken)
    return run(main, store=folder, clock=clock, answers=answers, environ=ENVIRON)


def left(clock: SimClock, days: int, place: int = 0, seconds: int = 0) -> dict[str, Any]:
    """Put a borrower so many days before default."""
    ended = int(clock.now().timestamp()) - (DAYS_TO_DEFAULT - days) * 86_400 + seconds
    return {f"{ROWS}[{place}].cycle_ends_at": ended}


def test_each_stage_on_the_way_to_default_is_reported_once(tmp_path: Path) -> None:
    clock = SimClock()
    assert watch(tmp_path, clock) == [], "both have paid, or are in their grace period"
    kinds = [
        [(one.kind, one.severity) for one in watch(tmp_path, clock, left(clock, days))]
        for days in (22, 22, 14, 14, 7, 3, 1, 0, 0)
    ]
    fired, worse = [("fired", "MEDIUM")], [("worsened", "MEDIUM")]
    assert kinds == [fired, [], worse, [], worse, worse, worse, worse, []]


def test_a_stage_is_reached_exactly_at_its_day_and_not_a_second_before(tmp_path: Path) -> None:
    clock = SimClock()
    watch(tmp_path, clock)
    watch(tmp_path, clock, left(clock, 22))
    assert watch(tmp_path, clock, left(clock, 14, seconds=1)) == []
    assert len(watch(tmp_path, clock, left(clock, 14))) == 1


def test_one_that_pays_is_over_and_the_other_goes_on(tmp_path: Path) -> None:
    clock = SimClock()
    watch(tmp_path, clock)
    both = left(clock, 7) | left(clock, 3, place=1)
    assert [one.kind for one in watch(tmp_path, clock, both)] == ["fired"]
    assert [one.kind for one in watch(tmp_path, clock, left(clock, 3, place=1))] == ["eased"]
    assert [one.kind for one in watch(tmp_path, clock)] == ["recovered"]


def test_a_default_that_has_started_counts_whatever_the_calendar_says(tmp_path: Path) -> None:
    clock = SimClock()
    watch(tmp_path, clock)
    started = {f"{ROWS}[0].default_started_at": int(clock.now().timestamp())}
    (sent,) = watch(tmp_path, clock, started)
    assert "default" in sent.text


def test_rows_that_cannot_be_read_are_no_data(tmp_path: Path) -> None:
    broken: list[dict[str, Any]] = [
        {"down": ["borrowers"]},
        {"instead": {"borrowers": 500}},
        {"instead": {"borrowers": b'{"errors": [{"message": "no such table"}]}'}},
        {"instead": {"borrowers": b'{"data": {}}'}},
        {"changes": {f"{ROWS}[0].cycle_ends_at": "soon"}},
        {"changes": {f"{ROWS}[0].borrower": None}},
    ]
    for case, damage in enumerate(broken):
        sent = watch(tmp_path / str(case), SimClock(), **damage)
        assert (sent, [*sent.unknown]) == ([], ["default-watch"]), damage


def test_it_is_off_without_its_variable(tmp_path: Path) -> None:
    sent = run(main, store=tmp_path, clock=SimClock())
    assert (sent, sent.code, dict(sent.states)) == ([], 0, {})
