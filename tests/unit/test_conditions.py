"""The rules of a condition: what is told when, by hand and for whatever hypothesis finds."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.alerts.recording.unheard import is_unheard
from monitoring.conditions.condition import Condition, ConditionKey, State
from monitoring.conditions.outcome import Outcome, Reason, TransitionKind
from monitoring.conditions.policy import USUAL, PendingPolicy, Policy, Reminders
from monitoring.conditions.severity import Severity
from monitoring.conditions.transition import Breach, Ok, apply_verdict, done, happened, raised, resolved, unchanged
from monitoring.conditions.values import Unknown

START = datetime(2026, 3, 1, tzinfo=UTC)
LOW, MEDIUM, HIGH, CRITICAL = Severity
DEFAULT = Policy()
NEW = Condition(ConditionKey("aave", "utilisation/USDC"))


def minutes(count: float) -> datetime:
    return START + timedelta(minutes=count)


def see(before: Condition, at: datetime, severity: Severity = HIGH, policy: Policy = DEFAULT) -> Outcome:
    return raised(before, severity, at, policy)


def for_a_while(count: float) -> Policy:
    return Policy(hold=PendingPolicy(span=timedelta(minutes=count), shared=True))


def test_the_first_sight_fires_and_a_repeat_is_only_counted() -> None:
    first = see(NEW, minutes(0))
    second = see(first.condition, minutes(60))
    assert [first.reason, second.reason] == [Reason.BREACHED, Reason.STILL_BAD]
    assert second.condition.times == 2
    assert second.condition.fired_at == minutes(0)
    assert second.condition.last_seen_at == minutes(60)


def test_a_worse_level_is_told_at_once_and_the_same_level_again_is_not() -> None:
    high = see(NEW, minutes(0), HIGH)
    critical = see(high.condition, minutes(10), CRITICAL)
    eased = see(critical.condition, minutes(20), HIGH)
    back = see(eased.condition, minutes(30), CRITICAL)
    found = [each.reason for each in (critical, eased, back)]
    assert found == [Reason.HIGHER_LEVEL, Reason.STILL_BAD, Reason.STILL_BAD]
    assert eased.condition.severity is HIGH
    assert eased.condition.worst is CRITICAL


def test_a_problem_that_goes_on_is_brought_up_again_after_the_reminder_time_and_not_before() -> None:
    policy = Policy(remind=timedelta(hours=6))
    fired = see(NEW, minutes(0), policy=policy)
    early = see(fired.condition, minutes(359), policy=policy)
    due = see(early.condition, minutes(360), policy=policy)
    after = see(due.condition, minutes(361), policy=policy)
    assert [each.reason for each in (early, due, after)] == [Reason.STILL_BAD, Reason.REMIND_DUE, Reason.STILL_BAD]


@pytest.mark.parametrize(("severity", "hours"), [(CRITICAL, 6), (HIGH, 24), (MEDIUM, None), (LOW, None)])
def test_reminders_are_by_severity_where_nobody_says_otherwise(severity: Severity, hours: int | None) -> None:
    condition, reminded = see(NEW, START, severity).condition, []
    for hour in range(1, 60):
        outcome = see(condition, minutes(60 * hour), severity)
        condition = outcome.condition
        reminded += [hour] if outcome.transition else []
    assert reminded == (list(range(hours, 60, hours)) if hours else [])


def test_without_a_reminder_time_it_is_told_once() -> None:
    policy = Policy(remind=None)
    fired = see(NEW, minutes(0), CRITICAL, policy)
    assert see(fired.condition, minutes(60 * 24 * 365), CRITICAL, policy).reason is Reason.STILL_BAD


def test_what_fires_since_the_release_before_is_reminded_of_one_interval_later() -> None:
    """That release kept no time of a reminder: its conditions fire for weeks, and many at once."""
    weeks_ago = START - timedelta(days=30)
    old = replace(
        NEW, state=State.FIRING, severity=HIGH, worst=HIGH, rank=2, since=weeks_ago, fired_at=weeks_ago,
        last_sent_at=weeks_ago,
    )  # fmt: skip
    first = see(old, START)
    assert first.transition is None
    assert see(first.condition, START + timedelta(hours=23, minutes=59)).transition is None
    assert see(first.condition, START + timedelta(days=1)).reason is Reason.REMIND_DUE


def test_it_fires_only_after_it_has_lasted_and_a_short_spike_says_nothing() -> None:
    policy = for_a_while(15)
    first = see(NEW, minutes(0), policy=policy)
    assert first.reason is Reason.HOLDING
    gone = resolved(first.condition, minutes(5), policy)
    assert (gone.reason, gone.transition) == (Reason.NEVER_FIRED, None)
    again = see(gone.condition, minutes(10), policy=policy)
    assert again.reason is Reason.HOLDING, "the spike does not count towards the next one"
    assert see(again.condition, minutes(25), policy=policy).reason is Reason.BREACHED


def test_what_is_raised_with_another_severity_goes_on_counting() -> None:
    policy = for_a_while(15)
    high = see(NEW, minutes(0), HIGH, policy)
    critical = see(high.condition, minutes(10), CRITICAL, policy)
    fired = see(critical.condition, minutes(15), CRITICAL, policy)
    assert fired.transition is not None
    assert fired.transition.severity is CRITICAL


def test_it_is_over_only_after_it_has_stayed_clear_and_flapping_makes_no_messages() -> None:
    policy = Policy(clear_after=timedelta(minutes=30))
    condition = see(NEW, minutes(0), policy=policy).condition
    told = []
    for minute in range(10, 100, 20):  # ten minutes clear, ten minutes raised, and so on
        down = resolved(condition, minutes(minute), policy)
        up = see(down.condition, minutes(minute + 10), policy=policy)
        told += [each.reason for each in (down, up) if each.transition]
        condition = up.condition
    assert told == []
    first = resolved(condition, minutes(120), policy)
    last = resolved(first.condition, minutes(150), policy)
    assert [first.reason, last.reason] == [Reason.IN_CLEAR_BAND, Reason.CLEARED]


def test_what_does_not_fire_resolves_without_a_word() -> None:
    assert resolved(NEW, START, DEFAULT).transition is None
    fired = see(NEW, START)
    over = resolved(fired.condition, minutes(1), DEFAULT)
    assert over.reason is Reason.CLEARED
    assert resolved(over.condition, minutes(2), DEFAULT).transition is None


def test_after_it_was_over_it_fires_again_with_a_new_count() -> None:
    fired = see(NEW, START, CRITICAL)
    over = resolved(fired.condition, minutes(1), DEFAULT)
    again = see(over.condition, minutes(2), LOW)
    assert again.reason is Reason.BREACHED
    assert (again.condition.times, again.condition.worst, again.condition.fired_at) == (1, LOW, minutes(2))


@pytest.mark.parametrize(
    ("status", "minutes_later", "expected"),
    [
        ("silenced", 1, False),  # delivery sends it when the silence ends
        ("skipped_debug", 1, True),
        ("failed", 10, False),
        ("failed", 60, True),
        ("pending", 600, False),
        ("skipped_missing_credentials", 600, False),
        ("delivered", 600, False),
        (None, 600, False),
    ],
)
def test_what_reached_nobody_is_told_again(status: str | None, minutes_later: int, expected: bool) -> None:
    condition = see(NEW, START).condition
    assert is_unheard(condition, status, minutes(minutes_later)) is expected
    reason = see(replace(condition, unheard=expected), minutes(minutes_later)).reason
    assert reason is (Reason.UNHEARD if expected else Reason.STILL_BAD)


def test_what_happened_once_is_an_incident_for_a_day_or_until_it_is_done() -> None:
    fell = happened(NEW, START, HIGH).condition
    later = unchanged(fell, minutes(60 * 23)).condition
    assert later.is_incident(minutes(60 * 23))
    assert not later.is_incident(minutes(60 * 24))
    assert not done(later, "ops").is_incident(minutes(60 * 23))
    again = happened(later, minutes(60 * 23), CRITICAL).condition
    assert (again.times, again.worst, again.fired_at) == (2, CRITICAL, START)
    assert again.is_incident(minutes(60 * 46))


# -- for whatever is seen, at whatever time ----------------------------------------------------------------------------

_verdicts = st.one_of(
    st.just(Ok()),
    st.just(Unknown("no answer", "mainnet")),
    st.builds(Breach, st.just((MEDIUM, HIGH, CRITICAL)), st.integers(0, 2), st.none()),
)
# Minutes between two looks, of a clock that may also jump back.
_clocks = st.one_of(st.integers(0, 120), st.integers(-10_000, 10_000))
_policies = st.builds(
    Policy,
    hold=st.builds(
        PendingPolicy, st.integers(1, 3), st.sampled_from([timedelta(0), timedelta(hours=1)]), st.booleans()
    ),
    clear_after=st.sampled_from([timedelta(0), timedelta(hours=1)]),
    remind=st.sampled_from([USUAL, None, timedelta(hours=2)]),
)
_stories = st.tuples(_policies, st.lists(st.tuples(_verdicts, _clocks), max_size=40))


def live(story: tuple[Policy, list[tuple[object, int]]]) -> list[tuple[Condition, object, datetime, Outcome]]:
    policy, looks = story
    condition, now, found = NEW, START, []
    for verdict, passed in looks:
        now += timedelta(minutes=passed)
        outcome = apply_verdict(condition, verdict, now, policy)  # type: ignore[arg-type]
        found.append((condition, verdict, now, outcome))
        condition = outcome.condition
    return found


@given(_stories)
def test_fired_and_recovered_alternate(story: tuple[Policy, list[tuple[object, int]]]) -> None:
    told = [outcome.transition.kind for *_, outcome in live(story) if outcome.transition]
    ends = [kind for kind in told if kind in (TransitionKind.FIRED, TransitionKind.RECOVERED)]
    assert ends == [
        TransitionKind.FIRED if number % 2 == 0 else TransitionKind.RECOVERED for number in range(len(ends))
    ]
    firing = False
    for kind in told:
        assert firing or kind is TransitionKind.FIRED, "nothing is told of what does not fire"
        firing = kind is not TransitionKind.RECOVERED


@given(_stories)
def test_a_worse_level_always_passes_once_it_has_held(story: tuple[Policy, list[tuple[object, int]]]) -> None:
    policy = replace(story[0], hold=PendingPolicy())
    worst: Severity | None = None
    for before, verdict, _, outcome in live((policy, story[1])):
        if isinstance(verdict, Breach):
            severity = verdict.ladder[verdict.rank]
            if before.is_firing and worst is not None and severity > worst:
                assert outcome.transition is not None
                assert outcome.transition.severity is severity
            worst = max(worst or severity, severity) if before.is_firing else severity
            assert outcome.condition.worst is worst
            assert outcome.condition.severity is severity


@given(_stories)
def test_unknown_says_nothing_and_changes_nothing(story: tuple[Policy, list[tuple[object, int]]]) -> None:
    for before, verdict, _, outcome in live(story):
        if isinstance(verdict, Unknown):
            assert outcome.transition is None
            assert (outcome.condition.state, outcome.condition.rank) == (before.state, before.rank)
            assert (outcome.condition.times, outcome.condition.worst) == (before.times, before.worst)


@given(_stories)
def test_no_reminder_comes_before_its_interval_whatever_the_clock_does(
    story: tuple[Policy, list[tuple[object, int]]],
) -> None:
    policy, heard = story[0], START
    for before, _, now, outcome in live(story):
        heard = min(heard, now)  # a clock that jumps back: what was heard counts as heard now
        if outcome.transition is None:
            continue
        if outcome.transition.kind is TransitionKind.REMINDER:
            after = policy.remind_after(before.worst)
            assert after is not None
            assert now - heard >= after
        heard = now


@given(st.lists(st.tuples(st.one_of(st.sampled_from(Severity), st.none()), st.integers(-100, 3000)), max_size=30))
def test_what_happens_once_never_recovers_and_is_told_each_time(looks: list[tuple[Severity | None, int]]) -> None:
    condition, now = NEW, START
    for severity, passed in looks:
        now += timedelta(minutes=passed)
        if severity is None:
            outcome = apply_verdict(condition, Ok(), now, DEFAULT)
            assert outcome.transition is None
        else:
            outcome = happened(condition, now, severity)
            assert outcome.transition is not None
            assert outcome.transition.kind is TransitionKind.FIRED
            assert outcome.condition.is_incident(now)
        condition = outcome.condition
        assert condition.state is State.OK


@pytest.mark.parametrize("remind", [USUAL, None, timedelta(hours=2)])
def test_a_policy_says_how_often_it_reminds(remind: timedelta | Reminders | None) -> None:
    expected = timedelta(hours=6) if remind is USUAL else remind
    assert Policy(remind=remind).remind_after(CRITICAL) == expected
