"""Whether people are being reached, judged from what the outbox holds."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.ledger.reach import LONGEST_WAIT, Cause, judge_outbox
from monitoring.store.queries.reach import GivenUp, Outbox, Refusing, WaitingGroup
from monitoring.store.spool.unstored import Kept, KeptAlert

NOW = datetime(2026, 11, 23, 10, 30, tzinfo=UTC)
NO_CREDENTIALS = "skipped_missing_credentials"


def waiting(age: timedelta, status: str = "pending", destination: str = "telegram") -> WaitingGroup:
    return WaitingGroup(destination, status, 3, NOW - age, NOW - age)


def causes(outbox: Outbox) -> list[Cause]:
    return [problem.cause for problem in judge_outbox(outbox, NOW)]


def test_an_empty_outbox_is_no_problem() -> None:
    assert causes(Outbox()) == []


@pytest.mark.parametrize(
    ("found", "cause"),
    [
        (waiting(LONGEST_WAIT), None),
        (waiting(LONGEST_WAIT + timedelta(seconds=1)), Cause.WAITING),
        (waiting(timedelta(0), NO_CREDENTIALS), Cause.CREDENTIALS),
        (waiting(timedelta(hours=-2)), Cause.WAITING),
    ],
)
def test_what_waits_is_a_problem_after_ten_minutes_or_at_once_without_credentials(
    found: WaitingGroup, cause: Cause | None
) -> None:
    assert causes(Outbox(waiting=(found,))) == ([cause] if cause else [])


def test_a_destination_that_refuses_is_one_problem_and_not_two() -> None:
    refusing = Refusing("telegram", 3, NOW - timedelta(hours=1), "403 kicked")
    (problem,) = judge_outbox(Outbox(waiting=(waiting(timedelta(hours=1)),), refusing=(refusing,)), NOW)
    assert problem.text == "telegram refuses (403 kicked): 3 alerts wait, the oldest for 1 h"


def test_the_most_serious_comes_first() -> None:
    kept = KeptAlert(NOW, "CRITICAL", "aave", "x", "{}")
    everything = Outbox(
        waiting=(waiting(timedelta(hours=1)),),
        given_up=GivenUp(1, NOW, "dropped by someone"),
        kept=Kept((kept,), Counter(LOW=2)),
    )
    assert causes(everything) == [Cause.UNSTORED, Cause.WAITING, Cause.GIVEN_UP]


@given(st.lists(st.tuples(st.integers(-10_000, 10_000), st.sampled_from(["pending", NO_CREDENTIALS])), max_size=8))
def test_time_alone_never_turns_a_problem_of_what_waits_into_none(ages: list[tuple[int, str]]) -> None:
    found = tuple(waiting(timedelta(seconds=abs(age)), status, f"to {n}") for n, (age, status) in enumerate(ages))
    before = {str(problem.cause) for problem in judge_outbox(Outbox(waiting=found), NOW)}
    after = {str(problem.cause) for problem in judge_outbox(Outbox(waiting=found), NOW + timedelta(minutes=7))}
    assert before <= after
