"""Which tasks start, wait or are passed over: pure decisions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automation.executor.task import TaskStatus
from automation.executor.task_order import next_steps
from automation.jobs.model import Task

OK, FAILED = TaskStatus.OK, TaskStatus.FAILED


def task(name: str, *needs: str) -> Task:
    return Task(name=name, needs=needs)


def started(
    tasks: list[Task], ended: dict[str, TaskStatus], running: set[str] | None = None, parallel: int = 1
) -> list[str]:
    return [task.name for task in next_steps(tasks, ended, running or set(), parallel).start]


def test_one_at_a_time_goes_from_top_to_bottom() -> None:
    tasks = [task("b"), task("a"), task("c")]
    assert started(tasks, {}) == ["b"]
    assert started(tasks, {}, {"b"}) == []
    assert started(tasks, {"b": FAILED}) == ["a"]
    assert started(tasks, {"b": FAILED, "a": OK}) == ["c"]
    assert started(tasks, {"b": FAILED, "a": OK, "c": OK}) == []


def test_free_places_are_filled_in_the_order_written() -> None:
    tasks = [task(name) for name in "abcde"]
    assert started(tasks, {}, parallel=3) == ["a", "b", "c"]
    assert started(tasks, {"a": OK}, {"b", "c"}, parallel=3) == ["d"]
    assert started(tasks, {}, {"a", "b", "c"}, parallel=2) == []


def test_a_task_waits_for_what_it_needs_and_lets_others_pass() -> None:
    tasks = [task("report", "read", "write"), task("read"), task("write")]
    assert started(tasks, {}, parallel=9) == ["read", "write"]
    assert started(tasks, {"read": OK}, {"write"}, parallel=9) == []
    assert started(tasks, {"read": OK, "write": OK}, parallel=9) == ["report"]


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (TaskStatus.FAILED, "needs 'a', which failed"),
        (TaskStatus.TIMEOUT, "needs 'a', which timed out"),
        (TaskStatus.ABORTED, "needs 'a', which was aborted"),
        (TaskStatus.SKIPPED, "needs 'a', which was skipped"),
    ],
)
def test_a_task_whose_need_did_not_end_ok_is_skipped_with_the_reason(status: TaskStatus, reason: str) -> None:
    steps = next_steps([task("a"), task("b", "a"), task("c", "b")], {"a": status}, set(), 1)
    assert steps.skip == {"b": reason}
    assert not steps.start


def test_a_need_that_is_not_part_of_the_run_is_no_need() -> None:
    assert started([task("a", "disabled")], {}) == ["a"]


def test_tasks_that_need_each_other_are_skipped_rather_than_waited_for() -> None:
    tasks = [task("a", "b"), task("b", "a"), task("c")]
    assert started(tasks, {}) == ["c"]
    steps = next_steps(tasks, {"c": OK}, set(), 1)
    assert steps.skip == {
        "a": "needs 'b', which in turn waits for it",
        "b": "needs 'a', which in turn waits for it",
    }
    assert next_steps([task("self", "self")], {}, set(), 1).skip


NAMES = "abcdef"


@st.composite
def runs(draw: st.DrawFn) -> tuple[list[Task], int, set[str]]:
    names = draw(st.permutations(NAMES))
    tasks = [task(name, *draw(st.sets(st.sampled_from(NAMES + "x"), max_size=3))) for name in names]
    return tasks, draw(st.integers(1, 7)), draw(st.sets(st.sampled_from(NAMES)))


@given(runs())
def test_every_run_comes_to_an_end_and_starts_nothing_before_its_needs(
    run: tuple[list[Task], int, set[str]],
) -> None:
    tasks, parallel, failing = run
    known = {each.name for each in tasks}
    ended: dict[str, TaskStatus] = {}
    running: list[str] = []
    while len(ended) < len(tasks):
        steps = next_steps(tasks, ended, set(running), parallel)
        for name in steps.skip:
            ended[name] = TaskStatus.SKIPPED
        for one in steps.start:
            assert all(ended.get(need) is OK for need in set(one.needs) & known)
            running.append(one.name)
        assert len(running) <= parallel
        assert steps.skip or running, "nothing runs and nothing was decided"
        if running:
            name = running.pop(0)
            ended[name] = FAILED if name in failing else OK
