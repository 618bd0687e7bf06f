"""What the end of an attempt means."""

from __future__ import annotations

import signal
from datetime import UTC, datetime

import pytest

from automation.executor.attempt import Attempt, AttemptOutcome, Stage, should_retry, timed_out
from automation.executor.task import Death, TaskStatus, signal_name
from automation.jobs.model import Task

TASK = Task(name="aave", timeout_s=600)
AT = datetime(2026, 11, 29, tzinfo=UTC)


def attempt() -> Attempt:
    return Attempt(TASK, 1, AT, began=0.0, due_at=600.0)


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (0, AttemptOutcome(TaskStatus.OK, "exit 0")),
        (3 << 8, AttemptOutcome(TaskStatus.FAILED, "exit 3")),
        (signal.SIGSEGV, AttemptOutcome(TaskStatus.FAILED, "killed by SIGSEGV")),
        (signal.SIGABRT | 0x80, AttemptOutcome(TaskStatus.FAILED, "killed by SIGABRT")),  # with a core dump
    ],
)
def test_a_process_that_ended_by_itself_speaks_for_itself(status: int, outcome: AttemptOutcome) -> None:
    one = attempt()
    one.end(Death(status, 0.1, 1000), due_at=1.0)
    assert one.outcome() == outcome


def test_a_task_that_had_to_be_ended_timed_out_whatever_it_says_then() -> None:
    one = attempt()
    one.verdict = timed_out(TASK)
    one.end(Death(0, 0.1, 1000), due_at=1.0)
    assert one.outcome() == AttemptOutcome(TaskStatus.TIMEOUT, "no end after 600 s")


def test_the_time_limit_counts_from_the_start_of_the_process() -> None:
    one = attempt()
    one.start(77, now=5.0)
    assert (one.pid, one.due_at) == (77, 605.0)
    one.stage, one.due_at = Stage.ASKED, 10.0
    one.start(77, now=6.0)
    assert one.due_at == 10.0


def test_there_is_no_outcome_before_the_end() -> None:
    with pytest.raises(ValueError, match="aave has not ended"):
        attempt().outcome()


@pytest.mark.parametrize(
    ("status", "attempts", "again"),
    [
        (TaskStatus.FAILED, 1, True),
        (TaskStatus.TIMEOUT, 2, True),
        (TaskStatus.FAILED, 3, False),
        (TaskStatus.OK, 1, False),
        (TaskStatus.ABORTED, 1, False),
    ],
)
def test_only_what_failed_or_timed_out_is_tried_again(status: TaskStatus, attempts: int, again: bool) -> None:
    assert should_retry(AttemptOutcome(status, ""), attempts, retries=2) is again


def test_signals_have_names() -> None:
    assert signal_name(9) == "SIGKILL"
    assert signal_name(40) == "signal 40"
