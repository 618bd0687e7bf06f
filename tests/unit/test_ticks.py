"""Which tick a run answers, and what is said of the others."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from monitoring.base.process_identity import Boot
from monitoring.ledger.causes import Sign, SignsOfLife
from monitoring.ledger.cron import Cron
from monitoring.ledger.ticks import due_ticks, explain_unanswered, nearby, start_for, tick_for
from monitoring.store.tables.runs import RunRow
from monitoring.store.tables.schedules import Schedule, ScheduleInForce

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
    step = timedelta(seconds=step_s)
    assert tick_for(schedule, tick + step, earlier, set_back=max(-step, timedelta(0))) == tick


@pytest.mark.parametrize("late_s", [-0.01, 0, 0.4, 29, 43, 59.9])
def test_a_slow_start_answers_the_tick_before_it_and_never_the_one_ahead(late_s: float) -> None:
    every_minute = Cron.parse("* * * * *")
    assert tick_for(every_minute, TEN + timedelta(seconds=late_s), set()) == TEN
    earlier = set(every_minute.ticks(TEN - minutes(30), TEN))
    assert tick_for(every_minute, TEN + timedelta(seconds=43), earlier) is None


def test_a_tick_that_has_its_row_is_not_answered_again() -> None:
    assert tick_for(EVERY_TEN, TEN + minutes(1), {TEN}) is None


def test_a_start_far_from_any_open_tick_answers_none() -> None:
    assert tick_for(Cron.parse("19 8 * * *"), TEN, set()) is None


@pytest.mark.parametrize(
    ("cron", "late", "answers"),
    [
        ("0 * * * *", minutes(15) - timedelta(seconds=1), True),  # however far the next tick is
        ("0 * * * *", minutes(15), False),
        ("0/10 * * * *", minutes(5), True),  # half the way to the next one
        ("0/10 * * * *", minutes(5) + timedelta(seconds=1), False),
        ("* * * * *", minutes(2), True),
        ("* * * * *", minutes(2) + timedelta(seconds=1), False),
        ("0 * * * *", -timedelta(milliseconds=50), True),  # the kernel's rounding
        ("0 * * * *", -timedelta(milliseconds=51), False),
    ],
)
def test_how_far_from_its_tick_a_run_may_start(cron: str, late: timedelta, *, answers: bool) -> None:
    schedule = Cron.parse(cron)
    others = set(schedule.ticks(TEN - minutes(30), TEN + minutes(30))) - {TEN}
    assert tick_for(schedule, TEN + late, others) == (TEN if answers else None)
    first, last = nearby(TEN + late)
    assert (first <= TEN <= last) or not answers


def test_a_clock_that_was_set_back_brings_a_tick_two_minutes_ahead_into_reach_and_none_beyond() -> None:
    hour = timedelta(hours=1)
    assert tick_for(Cron.parse("0 * * * *"), TEN - minutes(2), set(), set_back=hour) == TEN
    assert tick_for(Cron.parse("0 * * * *"), TEN - minutes(2) - timedelta(seconds=1), set(), set_back=hour) is None
    assert nearby(TEN) == (TEN - minutes(15), TEN + minutes(2))


def test_a_start_is_moved_to_its_tick_only_by_the_kernels_rounding() -> None:
    ms = timedelta(milliseconds=1)
    for started_at, start in ((-50 * ms, TEN), (-51 * ms, TEN - 51 * ms), (ms, TEN + ms), (-ms, TEN)):
        assert start_for(TEN, TEN + started_at) == start


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


def a_run(run_id: int, started_at: datetime, ended_at: datetime | None) -> RunRow:
    return RunRow(run_id, "multisig", started_at, "cron", "ok", "", started_at, ended_at, 0, "r", None, None, 1)


OLD_BOOT = Boot("boot-1", TEN - minutes(9999))


def served(at: datetime, boot: Boot = OLD_BOOT, *, stepped: timedelta = timedelta(0)) -> Sign:
    """A run that a scheduler started; `stepped` is what the wall clock had gained by then."""
    return Sign(at, Boot(boot.id, boot.at + stepped))


def started(at: datetime, booted_at: datetime = OLD_BOOT.at) -> Sign:
    return Sign(at, Boot("", booted_at), is_start=True)


LIVING = SignsOfLife([served(TEN - minutes(5)), served(TEN + minutes(15))], OLD_BOOT)


def test_a_tick_during_a_run_was_skipped_and_names_the_holder() -> None:
    runs = [a_run(7, TEN, TEN + minutes(12)), a_run(8, TEN + minutes(20), None)]
    found = explain_unanswered("multisig", [TEN + minutes(10), TEN + minutes(30)], runs, LIVING)
    assert [(tick.status, tick.held_by) for tick in found] == [("skipped", 7), ("skipped", 8)]
    assert found[0].reason == "run 7 of 10:00 was still going"


def test_a_run_holds_up_the_ticks_of_its_first_and_last_instant_too() -> None:
    (found,) = explain_unanswered("multisig", [TEN], [a_run(7, TEN, TEN)], LIVING)
    assert (found.status, found.held_by) == ("skipped", 7)
    just_after = a_run(7, TEN + timedelta(microseconds=1), None)
    (found,) = explain_unanswered("multisig", [TEN], [just_after], LIVING)
    assert found.status == "missed"


def test_of_several_vanished_runs_the_last_held_the_tick_up() -> None:
    gone = [replace(a_run(number, TEN, TEN + minutes(60)), status="aborted", exit_code=None) for number in (7, 8)]
    evidence = SignsOfLife([served(TEN), served(TEN + minutes(60))], OLD_BOOT)
    (found,) = explain_unanswered("multisig", [TEN + minutes(10)], gone, evidence)
    assert (found.status, found.held_by) == ("skipped", 8)


def test_a_run_that_vanished_with_its_host_held_nothing_up() -> None:
    vanished = replace(a_run(7, TEN, TEN + minutes(60)), status="aborted", exit_code=None)
    new_boot = Boot("boot-2", TEN + minutes(50))
    evidence = SignsOfLife([served(TEN), started(TEN + minutes(55), new_boot.at)], new_boot)
    (found,) = explain_unanswered("multisig", [TEN + minutes(10)], [vanished], evidence)
    assert (found.status, found.reason) == ("missed", "the host was down (it booted at 2026-11-23 10:50 UTC)")


def test_a_run_that_vanished_under_a_living_scheduler_held_its_ticks_up() -> None:
    vanished = replace(a_run(7, TEN, TEN + minutes(60)), status="aborted", exit_code=None)
    evidence = SignsOfLife([served(TEN), served(TEN + minutes(60))], OLD_BOOT)
    (found,) = explain_unanswered("multisig", [TEN + minutes(10)], [vanished], evidence)
    assert (found.status, found.held_by) == ("skipped", 7)


NEW_BOOT = Boot("boot-2", TEN + minutes(5))
BEFORE = served(TEN - minutes(5))


@pytest.mark.parametrize(
    ("signs", "boot", "cause"),
    [
        ([BEFORE, started(TEN + minutes(6), NEW_BOOT.at)], NEW_BOOT, "the host was down (it booted at 2026-11-23 10:"),
        ([BEFORE, served(TEN + minutes(9), NEW_BOOT)], NEW_BOOT, "the host was down"),
        ([BEFORE], NEW_BOOT, "the host was down"),
        ([], NEW_BOOT, "the host was down"),
        ([BEFORE, started(TEN + minutes(6))], OLD_BOOT, "the scheduler was stopped (it started at 2026-11-23 10:06"),
        ([BEFORE, started(TEN + minutes(6)), served(TEN + minutes(7))], OLD_BOOT, "the scheduler was stopped"),
        ([BEFORE, served(TEN + minutes(5)), started(TEN + minutes(90))], OLD_BOOT, "the scheduler was alive"),
        ([BEFORE, served(TEN + minutes(95), stepped=minutes(90))], OLD_BOOT, "the clock was stepped forward by 1 h 30"),
        ([BEFORE, served(TEN + minutes(5), stepped=-minutes(90))], OLD_BOOT, "the clock was stepped back by 1 h 30"),
        # A step beyond the whole age of the boot moves the boot behind the tick; it is no reboot all the same.
        ([BEFORE, served(TEN + minutes(12000), stepped=minutes(11990))], OLD_BOOT, "the clock was stepped forward by"),
        ([BEFORE, served(TEN + minutes(15), stepped=timedelta(seconds=20))], OLD_BOOT, "the scheduler was alive"),
        ([BEFORE, served(TEN + minutes(15), stepped=minutes(1))], OLD_BOOT, "the clock was stepped forward by 1 min"),
        # A start bears no id of its boot: a run after it says that the boot is the same, however far it moved.
        ([BEFORE, started(TEN + minutes(12000), OLD_BOOT.at + minutes(11990)),
          served(TEN + minutes(12001), stepped=minutes(11990))], OLD_BOOT, "the scheduler was stopped"),
        ([Sign(TEN - minutes(5), None), served(TEN + minutes(5))], OLD_BOOT, "the scheduler was alive"),
        ([BEFORE], OLD_BOOT, "the scheduler was not running"),
        ([], OLD_BOOT, "the scheduler was not running"),
    ],
)  # fmt: skip
def test_a_missed_tick_names_its_likely_cause(signs: list[Sign], boot: Boot, cause: str) -> None:
    (found,) = explain_unanswered("multisig", [TEN], [], SignsOfLife(signs, boot))
    assert found.status == "missed"
    assert found.reason.startswith(cause)


def run_of(profile: str, at: datetime, *, stepped: timedelta = timedelta(0), answers: bool = True) -> Sign:
    return replace(served(at, stepped=stepped), profile=profile, answers=answers)


HALF_HOUR = timedelta(minutes=30)
YESTERDAY = TEN - timedelta(days=1)
# The ten-minute profile ran on while the daily one was waited for: the step lies hours before the tick.
OTHERS = [run_of("multisig", TEN - minutes(10), stepped=HALF_HOUR), run_of("multisig", TEN, stepped=HALF_HOUR)]


@pytest.mark.parametrize(
    ("signs", "cause"),
    [
        ([run_of("daily", YESTERDAY), *OTHERS], "the clock was stepped forward by 30 min"),
        ([run_of("daily", YESTERDAY, stepped=HALF_HOUR * 3), *OTHERS], "the clock was stepped back by 1 h"),
        # A run at a wrong time was itself waited for since before the step.
        ([run_of("daily", YESTERDAY), run_of("daily", TEN - minutes(60), stepped=HALF_HOUR, answers=False), *OTHERS],
         "the clock was stepped forward by 30 min"),
        ([run_of("daily", YESTERDAY), run_of("daily", TEN - minutes(60), stepped=HALF_HOUR), *OTHERS],
         "the scheduler was alive"),
        # A scheduler that started since waits by the clock of its start.
        ([run_of("daily", YESTERDAY), started(TEN - minutes(30)), *OTHERS], "the scheduler was alive"),
        ([started(YESTERDAY - minutes(60)), run_of("daily", YESTERDAY), started(TEN - minutes(30)), *OTHERS],
         "the scheduler was alive"),
        # Of a boot before nothing is known about this clock.
        ([replace(run_of("daily", YESTERDAY), boot=Boot("boot-0", YESTERDAY - minutes(60))), *OTHERS],
         "the scheduler was alive"),
        (OTHERS, "the scheduler was alive"),
    ],
)  # fmt: skip
def test_a_step_counts_from_when_the_scheduler_began_to_wait_for_the_tick(signs: list[Sign], cause: str) -> None:
    (found,) = explain_unanswered("daily", [TEN - minutes(1)], [], SignsOfLife(signs, OLD_BOOT))
    assert found.reason.startswith(cause)
