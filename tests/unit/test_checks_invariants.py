"""What holds for every verb, whatever is read: found by hypothesis, not by example."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import given as given_any
from hypothesis import strategies as st

from monitoring.alerts.message.model import Severity
from monitoring.chains.abi.values import Unknown
from monitoring.checks.expression.values import NONE, from_json, key_of, to_json, value_of_key
from monitoring.checks.rules import age, changed, delta, diverge, flag, items, limit, logs, members, never_falls, stages
from monitoring.checks.rules.age import AgeLevel, AgePolicy
from monitoring.checks.rules.delta import DeltaPolicy, Move, MoveLevel
from monitoring.checks.rules.diverge import DivergePolicy
from monitoring.checks.rules.items import ItemsPolicy
from monitoring.checks.rules.limit import Level, LimitPolicy, Side
from monitoring.checks.rules.logs import LogsPolicy
from monitoring.checks.rules.members import MembersPolicy
from monitoring.checks.rules.never_falls import NeverFallsPolicy, Rebase
from monitoring.checks.rules.readings import FirstRun, Item, LogBatch, LogEvent, StagedRow
from monitoring.checks.rules.stages import StagesPolicy
from monitoring.checks.rules.steps import Step
from monitoring.conditions.condition import State
from monitoring.conditions.outcome import TransitionKind
from monitoring.conditions.policy import PendingPolicy, Policy
from monitoring.store.tables.condition_data import VERSION, read_data
from tests.support.spec import UNJUDGED, through_data

RELAXED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a loaded machine is no bug


def given(*strategies: Any) -> Any:
    return lambda test: RELAXED(given_any(*strategies)(test))


START = datetime(2026, 1, 1, tzinfo=UTC)
HIGH, CRITICAL = Severity.HIGH, Severity.CRITICAL
MESSAGES = {
    TransitionKind.FIRED,
    TransitionKind.WORSENED,
    TransitionKind.REMINDER,
    TransitionKind.RECOVERED,
    TransitionKind.EASED,
}

numbers = st.one_of(st.integers(-200, 200), st.integers(), st.fractions())
values = st.recursive(
    st.one_of(st.booleans(), numbers, st.text(), st.binary(max_size=40)),
    lambda inner: st.lists(inner, max_size=3).map(tuple),
    max_leaves=6,
)
holds = st.builds(PendingPolicy, st.integers(1, 3), st.sampled_from([timedelta(0), timedelta(hours=1)]))
common = {"hold": holds, "remind": st.sampled_from([None, timedelta(hours=2)]), "worse_by": st.sampled_from([None, 5])}
ids = st.sampled_from(["a", "b", "c", ("a", 1)])
LADDER = ("one", "two", "three")
first_runs = st.sampled_from([FirstRun(), FirstRun(everything=True), FirstRun(within=timedelta(hours=5))])
LEVELS = (Level(50, HIGH), Level(100, CRITICAL))
MOVES = (MoveLevel(Move.CHANGE, Step(Fraction(1, 10), relative=True), HIGH),)


@st.composite
def batches(draw: Any) -> Any:
    blocks = draw(st.lists(st.tuples(st.integers(0, 40), st.sampled_from("xyz")), max_size=4))
    events = tuple(LogEvent(block, f"h{block}", tx, 0) for block, tx in blocks)
    first = draw(st.integers(0, 30))
    return LogBatch(first, first + draw(st.integers(0, 30)), events)


VERBS = {
    "limit": (
        limit.judge,
        numbers,
        st.builds(
            LimitPolicy, side=st.just(Side.ABOVE), levels=st.just(LEVELS), clear=st.sampled_from([None, 40]), **common
        ),
    ),
    "never_falls": (
        never_falls.judge,
        numbers,
        st.builds(NeverFallsPolicy, rebase=st.sampled_from(Rebase), tolerance=st.just(Step(1)), **common),
    ),
    "delta": (
        delta.judge,
        numbers,
        st.builds(
            DeltaPolicy,
            levels=st.just(MOVES),
            baseline_max_age=st.sampled_from([None, timedelta(hours=3)]),
            window=st.sampled_from([None, timedelta(hours=4)]),
        ),
    ),
    "changed": (changed.judge, values, st.builds(Policy)),
    "flag": (flag.judge, st.booleans(), st.builds(Policy, **common)),
    "diverge": (diverge.judge, st.tuples(numbers, numbers), st.builds(DivergePolicy, levels=st.just(LEVELS), **common)),
    "age": (
        age.judge,
        st.integers(1_767_100_000, 1_767_300_000),
        st.builds(AgePolicy, levels=st.just((AgeLevel(timedelta(hours=1), HIGH),)), **common),
    ),
    "members": (
        members.judge,
        st.lists(ids, max_size=4).map(tuple),
        st.builds(MembersPolicy, expected=st.sampled_from([None, frozenset({"a"})]), **common),
    ),
    "stages": (
        stages.judge,
        st.lists(st.builds(StagedRow, ids, st.sampled_from([*LADDER, "huh"])), max_size=4),
        st.builds(StagesPolicy, order=st.just(LADDER), alert_from=st.sampled_from([None, "two"]), first_run=first_runs),
    ),
    "items": (
        items.judge,
        st.lists(st.builds(Item, ids, st.just(START), st.sampled_from([None, 1, 2])), max_size=4),
        st.builds(ItemsPolicy, first_run=first_runs),
    ),
    "logs": (logs.judge, batches(), st.builds(LogsPolicy, margin=st.integers(0, 20), first_run=first_runs)),
}


@st.composite
def stories(draw: Any) -> Any:
    """A verb, its policy, and readings with the hours between them, some unknown, some not applicable."""
    judge, readings, policies = VERBS[draw(st.sampled_from(sorted(VERBS)))]
    nothing = st.sampled_from([Unknown("no answer"), NONE])
    steps = st.tuples(st.integers(0, 6), st.one_of(readings, readings, readings, nothing))
    return judge, draw(policies), draw(st.lists(steps, min_size=1, max_size=8))


def tell(story: Any) -> Any:
    judge, policy, steps = story
    if judge is diverge.judge:
        steps = [(hours, (one, 1) if isinstance(one, Unknown) or one is NONE else one) for hours, one in steps]
    condition, now = UNJUDGED, START
    for hours, reading in steps:
        now += timedelta(hours=hours)
        outcome = judge(condition, reading, now, policy)
        yield condition, reading, now, outcome
        condition = outcome.condition


def is_unknown(reading: Any) -> Any:
    return isinstance(reading, Unknown) or (isinstance(reading, tuple) and any(isinstance(x, Unknown) for x in reading))


@given(stories())
def test_state_and_message_agree(story: Any) -> None:
    """No alert without a transition, no transition without an alert."""
    for before, _, now, outcome in tell(story):
        after, told = outcome.condition, outcome.transition
        started = before.state is not State.FIRING and after.state is State.FIRING
        ended = before.state is State.FIRING and after.state is State.OK
        assert not started or (told and told.kind is TransitionKind.FIRED)
        assert not ended or (
            told and told.kind in (TransitionKind.RECOVERED, TransitionKind.WORSENED)
        )  # worsened and rebased
        if told is not None:
            assert told.kind in MESSAGES
            assert after.heard_at == (now if after.state is State.FIRING else None)
        elif after.state is State.FIRING:
            assert after.heard_at == before.heard_at
        assert outcome.source is None or outcome.source.kind in (
            TransitionKind.SOURCE_TROUBLE,
            TransitionKind.SOURCE_RECOVERED,
        )


@given(stories())
def test_unknown_never_fires_and_never_clears(story: Any) -> None:
    for before, reading, _, outcome in tell(story):
        if is_unknown(reading):
            assert outcome.transition is None
            assert replace(outcome.condition, no_data=None) == replace(before, no_data=None)


@given(stories())
def test_the_same_reading_twice_says_nothing(story: Any) -> None:
    judge, policy, _ = story
    if policy.hold != PendingPolicy():
        policy = replace(policy, hold=PendingPolicy())
    for _, reading, now, outcome in tell((judge, policy, story[2])):
        again = judge(outcome.condition, reading, now, policy)
        assert again.transition is None, again.reason
        assert again.condition.state is outcome.condition.state


@given(stories())
def test_a_condition_survives_its_row(story: Any) -> None:
    for _, _, now, outcome in tell(story):
        judged = replace(outcome.condition, judged_at=now)
        assert through_data(judged) == judged


@given(stories())
def test_every_reading_is_answered_with_a_reason(story: Any) -> None:
    for before, _, _, outcome in tell(story):
        assert outcome.reason.value
        assert (
            before.no_data is None
            or outcome.condition.no_data is None
            or outcome.condition.no_data.runs > before.no_data.runs
        )


@given(st.sampled_from(["stages", "items", "members"]), st.data())
def test_the_order_of_rows_never_matters(verb: str, data: Any) -> None:
    judge, readings, policies = VERBS[verb]
    policy, seed = data.draw(policies), data.draw(readings)
    before = judge(UNJUDGED, seed, START, policy).condition
    reading = data.draw(readings)
    shuffled = type(reading)(data.draw(st.permutations(reading)))
    assert judge(before, reading, START, policy) == judge(before, shuffled, START, policy)


@given(batches(), batches(), st.data())
def test_the_order_of_events_never_matters(first: Any, second: Any, data: Any) -> None:
    policy = LogsPolicy(margin=10)
    before = logs.judge(UNJUDGED, first, START, policy).condition
    shuffled = replace(second, events=tuple(data.draw(st.permutations(second.events))))
    assert logs.judge(before, second, START, policy) == logs.judge(before, shuffled, START, policy)


@given(values)
def test_a_value_survives_json_exactly(value: Any) -> None:
    kept = from_json(to_json(value))
    assert kept == value
    assert type(kept) is type(value) or isinstance(value, Fraction)
    assert value_of_key(key_of(value)) == value


@given(values, values)
def test_two_values_share_a_key_only_when_equal(first: Any, second: Any) -> None:
    assert key_of(first) != key_of(second) or first == second


@given(st.integers(4000, 60_000), st.integers(1, 10**6))
def test_a_number_of_any_size_survives(bits: Any, below: Any) -> None:
    for number in (1 << bits, -(1 << bits), Fraction(1 << bits, below), Fraction(below, (1 << bits) + 1)):
        assert from_json(to_json(number)) == number


def test_a_row_of_another_version_is_read_by_its_columns() -> None:
    columns = replace(UNJUDGED, state=State.FIRING, severity=HIGH, worst=HIGH, since=START)
    assert read_data(columns, f'{{"v":{VERSION + 1},"rank":5}}') == columns


def test_a_damaged_row_stops_nothing() -> None:
    for data in ("", "{", "[]", "{}", '{"v":1}', '{"v":1,"rank":0,"memory":{},"worst":"1/0"}'):
        assert read_data(UNJUDGED, data) == UNJUDGED
