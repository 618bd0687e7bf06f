"""What the rules say of a condition and since when: each here is a small fault that other tests did not notice."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from monitoring.conditions.condition import Condition, ConditionKey, State
from monitoring.conditions.outcome import Entry, Outcome, Reason, TransitionKind
from monitoring.conditions.policy import NoDataPolicy, PendingPolicy, Policy
from monitoring.conditions.severity import Severity
from monitoring.conditions.transition import (
    Breach,
    Hysteresis,
    Ok,
    Verdict,
    apply_verdict,
    entries_changed,
    over,
)
from monitoring.conditions.values import Unknown

START = datetime(2026, 3, 1, tzinfo=UTC)
LADDER = (Severity.MEDIUM, Severity.HIGH)
NEW = Condition(ConditionKey("aave", "utilisation/USDC"))


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def judged(policy: Policy, *looks: tuple[float, Verdict]) -> list[Outcome]:
    condition, found = NEW, []
    for minutes, verdict in looks:
        found.append(apply_verdict(condition, verdict, at(minutes), policy))
        condition = found[-1].condition
    return found


@pytest.mark.parametrize(
    ("measure", "reason"),
    [(14, Reason.STILL_BAD), (15, Reason.WORSE_BY_STEP), (None, Reason.STILL_BAD), (5, Reason.STILL_BAD)],
)
def test_a_value_is_reported_again_once_it_is_worse_by_the_whole_step(measure: int | None, reason: Reason) -> None:
    looks = ((0, Breach(LADDER, 0, 10)), (1, Breach(LADDER, 0, measure)))
    found = judged(Policy(worse_by=5), *looks)[-1]
    assert found.reason is reason
    assert (found.transition is None) == (reason is Reason.STILL_BAD)


def test_what_was_first_seen_without_a_measure_has_no_step() -> None:
    assert judged(Policy(worse_by=5), (0, Breach(LADDER)), (1, Breach(LADDER, 0, 99)))[-1].reason is Reason.STILL_BAD


def test_between_the_limits_nothing_begins_and_nothing_ends() -> None:
    (first,) = judged(Policy(), (0, Hysteresis()))
    assert (first.reason, first.condition.state) == (Reason.GOOD, State.OK)
    *_, still = judged(Policy(), (0, Breach(LADDER)), (1, Hysteresis()))
    assert (still.reason, still.condition.state, still.condition.times) == (Reason.IN_CLEAR_BAND, State.FIRING, 2)


def test_every_message_says_since_when_the_condition_holds() -> None:
    policy = Policy(remind=timedelta(minutes=5), hold=PendingPolicy(runs=2))
    found = judged(policy, (0, Breach(LADDER)), (1, Breach(LADDER)), (9, Breach(LADDER)), (20, Ok()))
    said = [outcome.transition for outcome in found if outcome.transition]
    assert [each.kind for each in said] == [TransitionKind.FIRED, TransitionKind.REMINDER, TransitionKind.RECOVERED]
    assert {each.since for each in said} == {at(0)}


def test_it_is_pending_since_the_first_breach_of_any_level() -> None:
    policy = Policy(hold=PendingPolicy(span=timedelta(minutes=60)))
    found = judged(policy, (0, Breach(LADDER, 0)), (10, Breach(LADDER, 1)))[-1]
    assert (found.condition.state, found.condition.since) == (State.PENDING, at(0))


def test_it_fires_since_the_first_breach_of_any_level() -> None:
    found = judged(Policy(hold=PendingPolicy(runs=2)), (0, Breach(LADDER, 0)), (1, Breach(LADDER, 1)))[-1]
    assert (found.condition.state, found.condition.since) == (State.FIRING, at(0))


def test_what_reached_nobody_is_said_again_at_the_mildest_level_too() -> None:
    fired = replace(judged(Policy(), (0, Breach(LADDER, 0)))[-1].condition, unheard=True)
    again = apply_verdict(fired, Breach(LADDER, 0), at(1), Policy())
    assert again.reason is Reason.UNHEARD
    assert not again.condition.unheard


def test_what_is_over_is_not_said_again() -> None:
    assert not over(replace(NEW, state=State.FIRING, unheard=True), at(1)).unheard


def test_a_source_is_reported_at_the_run_that_the_limit_names() -> None:
    policy = Policy(silence=NoDataPolicy(runs=3, span=timedelta(days=9)))
    unknown = Unknown("cannot be reached", "mainnet")
    found = judged(policy, (0, unknown), (1, unknown), (2, unknown), (3, unknown))
    assert [outcome.source is not None for outcome in found] == [False, False, True, False]


def test_entries_that_join_are_said_with_the_beginning_of_the_condition() -> None:
    entries = (Entry("member", "alice", Severity.CRITICAL), Entry("member", "bob", Severity.LOW))
    firing = Outcome(replace(NEW, state=State.FIRING, since=at(0), worst=Severity.HIGH), Reason.STILL_BAD)
    found = entries_changed(firing, entries, at(9))
    assert found.transition is not None
    assert (found.transition.since, found.transition.severity) == (at(0), Severity.CRITICAL)
    assert (found.reason, found.condition.worst, found.condition.heard_at) == (
        Reason.HAPPENED, Severity.CRITICAL, at(9)
    )  # fmt: skip
