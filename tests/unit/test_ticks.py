"""Which tick a run answers, and what is said of the others."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from monitoring.ledger.cron import Cron
from monitoring.ledger.ticks import Evidence, due_ticks, explain_unanswered, tick_for
from monitoring.store.runs import Run
from monitoring.store.schedules import Schedule, ScheduleInForce

TEN = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
EVERY_TEN = Cron.parse("0/10 * * * *")


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


@pytest.mark.parametrize("step_s", [-90, -5, 0, 0.4, 5, 90])
@pytest.mark.parametrize("cron", ["0/10 * * * *", "5 * * * *", "19 8 * * *", "*/5 * * * *"])
def test_a_clock_step_of_ninety_seconds_misnames_no_tick(cron: str, step_s: float) -> None:
    schedule = Cron.parse(cron)
    tick = schedule.next_after(TEN)
    earlier = set(schedule.ticks(tick - timedelta(hours=2), tick - timedelta(seconds=1)))
    assert tick_for(schedule, tick + timedelta(seconds=step_s), earlier) == tick


def test_a_tick_that_has_its_row_is_not_answered_again() -> None:
    assert tick_for(EVERY_TEN, TEN + minutes(1), {TEN}) is None


def test_a_start_far_from_any_open_tick_answers_none() -> None:
    assert tick_for(Cron.parse("19 8 * * *"), TEN, set()) is None


def an_entry(**changes: object) -> ScheduleInForce:
    values: dict[str, object] = {
        "id": 1,
        "schedule": Schedule("multisig", "0/10 * * * *"),
        "effective_from": TEN,
        "effective_until": None,
        "reconciled_to": TEN,
        "recorded_by": "test",
    }
    return ScheduleInForce(**{**values, **changes})  # type: ignore[arg-type]


def test_a_schedule_owes_ticks_only_while_it_was_in_force() -> None:
    entry = an_entry(effective_from=TEN + minutes(5), effective_until=TEN + minutes(25))
    assert due_ticks(entry, TEN - minutes(60), TEN + minutes(60)) == [TEN + minutes(10), TEN + minutes(20)]


def test_at_a_change_of_schedule_the_tick_of_that_instant_belongs_to_the_old_one() -> None:
    change = TEN + minutes(10)
    old, new = an_entry(effective_until=change), an_entry(effective_from=change)
    assert due_ticks(old, TEN, TEN + minutes(20)) == [change]
    assert due_ticks(new, TEN, TEN + minutes(20)) == [TEN + minutes(20)]


def test_a_disabled_profile_owes_nothing() -> None:
    entry = an_entry(schedule=Schedule("multisig", "0/10 * * * *", enabled=False))
    assert due_ticks(entry, TEN, TEN + minutes(60)) == []


def a_run(run_id: int, started_at: datetime, ended_at: datetime | None) -> Run:
    return Run(run_id, "multisig", started_at, "cron", "ok", "", started_at, ended_at, 0, "r", None, None, 1)


ALIVE = Evidence(booted_at=TEN - timedelta(days=9), starts=[], answered_elsewhere=[TEN])


def test_a_tick_during_a_run_was_skipped_and_names_the_holder() -> None:
    runs = [a_run(7, TEN, TEN + minutes(12)), a_run(8, TEN + minutes(20), None)]
    found = explain_unanswered("multisig", [TEN + minutes(10), TEN + minutes(30)], runs, ALIVE)
    assert [(tick.status, tick.held_by) for tick in found] == [("skipped", 7), ("skipped", 8)]
    assert found[0].reason == "run 7 was still going"


@pytest.mark.parametrize(
    ("evidence", "cause"),
    [
        (Evidence(TEN + minutes(5), [(TEN + minutes(6), TEN + minutes(5))], []), "the host was down"),
        (Evidence(TEN - minutes(99), [(TEN + minutes(6), TEN - minutes(99))], []), "the scheduler was stopped"),
        (Evidence(TEN + minutes(5), [], []), "the host was down"),
        (ALIVE, "the scheduler was alive"),
        (Evidence(TEN - minutes(99), [], []), "the scheduler was not running"),
    ],
)
def test_a_missed_tick_names_its_likely_cause(evidence: Evidence, cause: str) -> None:
    (found,) = explain_unanswered("multisig", [TEN], [], evidence)
    assert found.status == "missed"
    assert cause in found.reason
