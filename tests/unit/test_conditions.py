"""The rules of a standing problem: what is told when."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.alerts.conditions.rules import Decision, Policy, Reason, is_untold, raised, resolved
from monitoring.alerts.message.model import Severity
from monitoring.store.tables.conditions import Condition, ConditionKey

KEY = ConditionKey("aave", "utilisation/USDC")
START = datetime(2026, 3, 1, tzinfo=UTC)
LOW, MEDIUM, HIGH, CRITICAL = Severity
DEFAULT = Policy()


def minutes(count: float) -> datetime:
    return START + timedelta(minutes=count)


def see(before: Condition | None, at: datetime, severity: Severity = HIGH, policy: Policy = DEFAULT) -> Decision:
    """Raise, and note what was told as `record` does."""
    decision = raised(before, KEY, severity, at, policy)
    if decision.reason.is_told:
        return Decision(decision.reason, replace(decision.condition, last_sent_at=at))
    return decision


def test_the_first_sight_fires_and_a_repeat_is_only_counted() -> None:
    first = see(None, minutes(0))
    second = see(first.condition, minutes(60))
    assert [first.reason, second.reason] == [Reason.FIRED, Reason.REPEATED]
    assert second.condition.times == 2
    assert second.condition.fired_at == minutes(0)
    assert second.condition.last_seen_at == minutes(60)


def test_a_worse_level_is_told_at_once_and_the_same_level_again_is_not() -> None:
    high = see(None, minutes(0), HIGH)
    critical = see(high.condition, minutes(10), CRITICAL)
    eased = see(critical.condition, minutes(20), HIGH)
    back = see(eased.condition, minutes(30), CRITICAL)
    assert [each.reason for each in (critical, eased, back)] == [Reason.WORSENED, Reason.REPEATED, Reason.REPEATED]
    assert eased.condition.severity == "HIGH"
    assert eased.condition.worst == "CRITICAL"


def test_a_standing_problem_is_brought_up_again_after_the_reminder_time_and_not_before() -> None:
    policy = Policy(remind_after=timedelta(hours=6))
    fired = see(None, minutes(0), policy=policy)
    early = see(fired.condition, minutes(359), policy=policy)
    due = see(early.condition, minutes(360), policy=policy)
    after = see(due.condition, minutes(361), policy=policy)
    assert [each.reason for each in (early, due, after)] == [Reason.REPEATED, Reason.REMINDED, Reason.REPEATED]


def test_without_a_reminder_time_it_is_told_once_for_ever() -> None:
    policy = Policy(remind_after=None)
    fired = see(None, minutes(0), policy=policy)
    assert see(fired.condition, minutes(60 * 24 * 365), policy=policy).reason is Reason.REPEATED


def test_it_fires_only_after_it_has_lasted_and_a_short_spike_says_nothing() -> None:
    policy = Policy(fire_after=timedelta(minutes=15))
    first = see(None, minutes(0), policy=policy)
    assert first.reason is Reason.PENDING
    gone = resolved(first.condition, KEY, minutes(5), policy)
    assert gone.reason is Reason.NEVER_FIRED
    again = see(gone.condition, minutes(10), policy=policy)
    assert again.reason is Reason.PENDING, "the spike does not count towards the next one"
    assert see(again.condition, minutes(25), policy=policy).reason is Reason.FIRED


def test_it_is_over_only_after_it_has_stayed_clear_and_flapping_makes_no_messages() -> None:
    policy = Policy(clear_after=timedelta(minutes=30))
    condition = see(None, minutes(0), policy=policy).condition
    told = []
    for minute in range(10, 100, 20):  # ten minutes clear, ten minutes raised, and so on
        down = resolved(condition, KEY, minutes(minute), policy)
        up = see(down.condition, minutes(minute + 10), policy=policy)
        told += [each.reason for each in (down, up) if each.reason.is_told]
        condition = up.condition
    assert told == []
    first = resolved(condition, KEY, minutes(120), policy)
    last = resolved(first.condition, KEY, minutes(150), policy)
    assert [first.reason, last.reason] == [Reason.CLEARING, Reason.RESOLVED]


def test_what_does_not_fire_resolves_without_a_word() -> None:
    assert resolved(None, KEY, START, Policy()).reason is Reason.NOT_FIRING
    fired = see(None, START)
    over = resolved(fired.condition, KEY, minutes(1), Policy())
    assert over.reason is Reason.RESOLVED
    assert resolved(over.condition, KEY, minutes(2), Policy()).reason is Reason.NOT_FIRING


def test_after_it_was_over_it_fires_anew_with_a_fresh_count() -> None:
    fired = see(None, START, CRITICAL)
    over = resolved(fired.condition, KEY, minutes(1), Policy())
    again = see(over.condition, minutes(2), LOW)
    assert again.reason is Reason.FIRED
    assert (again.condition.times, again.condition.worst, again.condition.fired_at) == (1, "LOW", minutes(2))


@pytest.mark.parametrize(
    ("status", "minutes_later", "expected"),
    [
        ("silenced", 1, True),
        ("skipped_debug", 1, True),
        ("failed", 10, False),
        ("failed", 60, True),
        ("pending", 600, False),
        ("skipped_missing_credentials", 600, False),
        ("delivered", 600, False),
        (None, 600, False),
    ],
)
def test_what_reached_nobody_is_told_anew(status: str | None, minutes_later: int, expected: bool) -> None:
    condition = see(None, START).condition
    assert is_untold(condition, status, minutes(minutes_later)) is expected
    reason = raised(condition, KEY, HIGH, minutes(minutes_later), Policy(), untold=expected).reason
    assert reason is (Reason.UNTOLD if expected else Reason.REPEATED)


_EVENTS = st.lists(st.tuples(st.sampled_from([None, *Severity]), st.integers(1, 120)), max_size=60)


@given(_EVENTS)
def test_every_firing_has_one_first_message_and_at_most_one_recovery(events: list[tuple[Severity | None, int]]) -> None:
    condition: Condition | None = None
    now, firing, worst_told = START, False, LOW
    for severity, passed in events:
        now += timedelta(minutes=passed)
        if severity is None:
            decision = resolved(condition, KEY, now, Policy())
            assert (decision.reason is Reason.RESOLVED) is firing
            firing = False
        else:
            decision = see(condition, now, severity)
            assert (decision.reason is Reason.FIRED) is not firing
            if firing and severity > worst_told:
                assert decision.reason is Reason.WORSENED, "a worse level never waits"
            worst_told = max(worst_told, severity) if firing else severity
            firing = True
        condition = decision.condition
        assert (condition.state == "firing") is firing
