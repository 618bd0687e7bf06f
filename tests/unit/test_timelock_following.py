"""How an operation of a timelock moves on: by events, by what its contract says, by time; purely, with no chain."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.checks.builtin.timelocks.following import Moment, Reached, follow
from monitoring.checks.builtin.timelocks.kinds import What
from monitoring.checks.builtin.timelocks.on_chain import NOTHING_SAID, OnChain
from monitoring.checks.builtin.timelocks.operations import (
    OPERATIONS,
    FollowedOperation,
    OperationEvent,
    OperationStage,
    remembered,
    waiting_ids,
    written,
)
from monitoring.conditions.condition import Condition, ConditionKey

T0, DAY, HOUR = 1_800_000_000, 86_400, 3_600
KEY = ConditionKey("timelocks", "timelocks", 1, "0x" + "77" * 20)
SCHEDULED = OperationEvent("0xb1/0xt1/0", What.SCHEDULED, ("0x01",), "0xt1", 100, T0, T0 + 3 * DAY)
EXECUTED = OperationEvent("0xb2/0xt2/0", What.EXECUTED, ("0x01",), "0xt2", 200, T0 + 4 * DAY)


def moment(at: int, *events: OperationEvent, **more: object) -> Moment:
    given = {"fresh": frozenset(one.event for one in events), "steps_s": (DAY, HOUR), "on_chain": NOTHING_SAID}
    return Moment(events, at, at, **{**given, **more})  # type: ignore[arg-type]


def stored(operations: dict[str, FollowedOperation]) -> dict[str, FollowedOperation]:
    """What the next run finds: the operations went through their stored form."""
    memory = {OPERATIONS: json.loads(json.dumps(written(operations, 0)))}
    found = remembered(Condition(KEY, memory=memory))
    assert found is not None
    return found


def kept_as(rows: object) -> dict[str, FollowedOperation]:
    found = remembered(Condition(KEY, memory={OPERATIONS: rows}))  # type: ignore[dict-item]
    assert found is not None
    return found


def stages(times: list[int], *, steps: tuple[int, ...] = (DAY, HOUR)) -> list[tuple[int, Reached]]:
    """Look at an operation at each of these seconds after it was scheduled."""
    known = stored(follow({}, moment(T0, SCHEDULED, steps_s=steps)).operations)
    found = []
    for after in times:
        followed = follow(known, moment(T0 + after, steps_s=steps))
        found += [(after, reached) for reached, _ in followed.reached]
        known = stored(followed.operations)
    return found


def test_two_reminders_and_that_it_is_ready_are_reported_once_each_exactly_when_due() -> None:
    ready = 3 * DAY
    times = [
        0, HOUR, ready - DAY - 1, ready - DAY, ready - DAY, ready - HOUR - 1, ready - HOUR, ready - 1, ready, ready + 1,
        ready + 90 * DAY,
    ]  # fmt: skip
    assert stages(times) == [
        (ready - DAY, Reached.REMINDER), (ready - HOUR, Reached.REMINDER), (ready, Reached.READY),
    ]  # fmt: skip


def test_of_reminders_missed_in_an_outage_only_the_last_comes_and_after_it_is_ready_none() -> None:
    assert stages([3 * DAY - 60]) == [(3 * DAY - 60, Reached.REMINDER)]
    assert stages([3 * DAY - 60, 3 * DAY]) == [(3 * DAY - 60, Reached.REMINDER), (3 * DAY, Reached.READY)]
    assert stages([5 * DAY]) == [(5 * DAY, Reached.READY)]


def test_a_reminder_that_the_report_of_its_scheduling_gave_already_does_not_come() -> None:
    late = replace(SCHEDULED, ready_at=T0 + 2 * HOUR)
    known = follow({}, moment(T0, late)).operations
    assert known["0x01"].reminded_s == DAY
    assert follow(known, moment(T0 + HOUR - 1)).reached == []
    assert [one for one, _ in follow(known, moment(T0 + HOUR)).reached] == [Reached.REMINDER]
    past = follow({}, moment(T0 + DAY, late))
    assert (past.operations["0x01"].stage, past.reached) == (OperationStage.READY, [])


def test_without_reminders_there_are_none() -> None:
    assert stages([2 * DAY, 3 * DAY - 1, 3 * DAY], steps=()) == [(3 * DAY, Reached.READY)]


@pytest.mark.parametrize("what", [What.EXECUTED, What.CANCELLED])
def test_what_is_over_is_kept_for_a_reorganisation_and_then_forgotten(what: What) -> None:
    known = follow({}, moment(T0, SCHEDULED)).operations
    over = follow(known, moment(T0 + 4 * DAY, replace(EXECUTED, what=what)))
    (about,) = over.about[EXECUTED.event]
    assert about.stage is OperationStage(what.value)
    assert about.facts["ready at"] == T0 + 3 * DAY
    assert over.reached == []
    assert waiting_ids(over.operations.values()) == ()
    assert [*written(over.operations, 200)] == ["0x01"]
    assert written(over.operations, 201) == {}


def test_a_reorganisation_that_takes_the_end_away_lets_it_wait_again() -> None:
    known = stored(follow({}, moment(T0, SCHEDULED)).operations)
    known = stored(follow(known, moment(T0 + 4 * DAY, EXECUTED)).operations)
    again = follow(known, moment(T0 + 4 * DAY, gone=frozenset({"0xt2"})))
    assert [one.name for one in again.undone["0xt2"]] == ["0x01"]
    assert again.operations["0x01"].stage is OperationStage.READY, "it was reported as ready before"
    assert again.reached == []
    early = follow(known, moment(T0 + DAY, gone=frozenset({"0xt2"})))
    assert early.operations["0x01"].stage is OperationStage.SCHEDULED


def test_a_reorganisation_that_takes_the_scheduling_away_ends_it() -> None:
    known = follow({}, moment(T0, SCHEDULED)).operations
    gone = follow(known, moment(T0 + 4 * DAY, gone=frozenset({"0xt1"})))
    assert (gone.operations, gone.reached) == ({}, [])
    assert [one.name for one in gone.undone["0xt1"]] == ["0x01"]


def test_an_event_that_is_in_another_block_now_moves_its_time_with_it() -> None:
    known = follow({}, moment(T0, SCHEDULED)).operations
    moved = replace(SCHEDULED, event="0xb9/0xt1/0", block=103, at=T0 + 36, ready_at=T0 + 3 * DAY + 36)
    again = follow(known, moment(T0 + DAY, moved, fresh=frozenset())).operations["0x01"]
    assert (again.block, again.ready_at) == (103, T0 + 3 * DAY + 36)


def test_events_from_before_operations_were_remembered_build_them_without_a_word() -> None:
    quiet = follow(None, moment(T0 + DAY, SCHEDULED, fresh=frozenset()))
    assert (waiting_ids(quiet.operations.values()), quiet.reached) == (("0x01",), [])
    assert [one for one, _ in follow(quiet.operations, moment(T0 + 3 * DAY)).reached] == [Reached.READY]
    over = follow(None, moment(T0 + 5 * DAY, SCHEDULED, EXECUTED, fresh=frozenset()))
    assert waiting_ids(over.operations.values()) == ()
    late = follow(None, moment(T0 + 9 * DAY, SCHEDULED, fresh=frozenset()))
    assert follow(late.operations, moment(T0 + 9 * DAY)).reached == [], "ready for days: nobody is told so now"
    assert follow({}, moment(T0 + DAY, SCHEDULED, fresh=frozenset())).operations == {}


def test_its_contract_decides_whether_and_when_it_is_ready() -> None:
    known = follow({}, moment(T0, SCHEDULED)).operations
    later = OnChain({"0x01": True}, {"0x01": T0 + 5 * DAY})
    assert [one for one, _ in follow(known, moment(T0 + 3 * DAY, on_chain=later)).reached] == []
    assert [one for one, _ in follow(known, moment(T0 + 5 * DAY, on_chain=later)).reached] == [Reached.READY]
    done = OnChain({"0x01": False}, {})
    assert follow(known, moment(T0 + 3 * DAY, on_chain=done)).reached == [], "its event is on its way"


def test_one_that_its_contract_knows_no_more_is_reported_after_three_readings_and_forgotten() -> None:
    known = follow({}, moment(T0, SCHEDULED)).operations
    unknown, found = OnChain({"0x01": False}, {}), []
    for hour in range(1, 6):
        look = moment(T0 + hour * HOUR, on_chain=unknown, is_whole=hour != 2)
        followed = follow(known, look)
        found += [(hour, reached) for reached, _ in followed.reached]
        known = stored(followed.operations)
    assert found == [(4, Reached.UNKNOWN)], "the second reading ended before the chain did"
    assert known == {}


def test_a_window_that_is_over_ends_it_once_no_log_can_be_on_its_way() -> None:
    grace = OnChain({"0x01": True}, {}, grace_s=14 * DAY)
    known = follow({}, moment(T0, SCHEDULED, on_chain=grace)).operations
    assert known["0x01"].until == T0 + 17 * DAY
    known = stored(follow(known, moment(T0 + 3 * DAY, on_chain=grace)).operations)
    assert follow(known, moment(T0 + 17 * DAY + 900, on_chain=grace)).reached == []
    assert follow(known, moment(T0 + 17 * DAY + 901, on_chain=grace, is_whole=False)).reached == []
    over = follow(known, moment(T0 + 17 * DAY + 901, on_chain=grace))
    assert ([one for one, _ in over.reached], over.operations) == ([Reached.EXPIRED], {})


def test_of_calls_that_were_queued_together_some_can_be_executed_and_the_rest_waits() -> None:
    both = replace(SCHEDULED, ids=("0x01", "0x02"))
    known = stored(follow({}, moment(T0, both)).operations)
    part = follow(known, moment(T0 + 4 * DAY, EXECUTED))
    assert part.operations["0x01"].facts["calls left"] == 1
    assert waiting_ids(part.operations.values()) == ("0x02",)
    rest = replace(EXECUTED, event="0xb3/0xt3/0", ids=("0x02",), tx="0xt3", block=201)
    whole = follow(stored(part.operations), moment(T0 + 4 * DAY, rest))
    assert whole.about[rest.event][0].stage is OperationStage.EXECUTED


def test_an_end_of_one_that_nobody_remembers_is_about_none() -> None:
    assert follow({}, moment(T0, EXECUTED)).about == {EXECUTED.event: []}


def test_memory_that_is_broken_costs_only_what_is_broken() -> None:
    good = written(follow({}, moment(T0, SCHEDULED)).operations, 0)
    rows = {**good, "a": 7, "b": {}, "c": {"ids": [], "stage": "ready"}, "d": {"ids": ["x"], "stage": "?"}}
    found = remembered(Condition(KEY, memory={OPERATIONS: rows}))  # type: ignore[dict-item]
    assert found is not None
    assert [*found] == ["0x01"]
    assert remembered(Condition(KEY, memory={OPERATIONS: 7})) is None
    assert remembered(Condition(KEY)) is None


def test_no_more_are_remembered_than_there_is_room_for_and_the_next_to_run_stay() -> None:
    many = [replace(SCHEDULED, event=f"e{n}", ids=(f"0x{n:03}",), ready_at=T0 + DAY + n) for n in range(300)]
    kept = written(follow({}, moment(T0, *many)).operations, 0)
    assert sorted(kept) == [f"0x{n:03}" for n in range(200)]
    later = written(follow(kept_as(kept), moment(T0 + DAY + 99)).operations, 0)
    more = [replace(SCHEDULED, event=f"f{n}", ids=(f"0xf{n}",), ready_at=T0 + 9 * DAY) for n in range(20)]
    kept = written(follow(kept_as(later), moment(T0 + DAY + 99, *more)).operations, 0)
    assert f"0x{150:03}" in kept, "it can run soon"
    assert "0xf1" in kept, "it takes the place of one that was reported as ready"
    assert "0x000" not in kept


@given(st.lists(st.integers(0, 6 * DAY), min_size=1, max_size=30))
def test_however_often_one_looks_no_stage_comes_twice_or_backwards(times: list[int]) -> None:
    found = [reached for _, reached in stages(sorted(times))]
    assert found.count(Reached.READY) <= 1
    assert found.count(Reached.REMINDER) <= 2
    assert Reached.REMINDER not in found[found.index(Reached.READY) :] if Reached.READY in found else True
    assert (Reached.READY in found) is (max(times) >= 3 * DAY)
