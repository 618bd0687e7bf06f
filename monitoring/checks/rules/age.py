"""`age`: is something too old, or too near its deadline? Readings are unix times, and all is in seconds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Unpack

from monitoring.alerts.message.model import Severity
from monitoring.base.formatting import format_duration, format_instant, format_seconds
from monitoring.base.yaml.keys import Section, entry
from monitoring.chains.abi.values import Unknown
from monitoring.checks.expression.tree import NUMBER
from monitoring.checks.expression.value_text import words
from monitoring.checks.expression.values import Absent, Number, Reading, Value, as_number, is_number
from monitoring.checks.rules.keys import (
    DURATION,
    DURATION_OF_ROW,
    FORMULA,
    LEVEL_SEVERITY,
    REMIND,
    WAITING,
    Listed,
    levels,
)
from monitoring.checks.rules.keywords import CommonKeywords, CommonOptions, reading, span
from monitoring.checks.rules.steps import check_ladder, seconds_of, seconds_of_span
from monitoring.checks.rules.verb import Asked, ParsedCheck, Verb, YamlForm, with_base
from monitoring.checks.rules.words import Facts, Subject, VerbWords, number_of
from monitoring.conditions.condition import Condition
from monitoring.conditions.outcome import Outcome
from monitoring.conditions.policy import Policy, Reminders
from monitoring.conditions.transition import Breach, Ok, Verdict, apply_verdict

if TYPE_CHECKING:
    from monitoring.checks.config.check import CheckBuilder

_OF_ROW = timedelta(seconds=1)  # stands for the bound until the row is known
CLOCK_SKEW_S = 60  # a block's time may run ahead of this host's clock; a source further ahead is wrong


@dataclass(frozen=True, slots=True)
class AgeLevel:
    """Older than `max_age` (exactly as old is still fresh) has this severity."""

    max_age: timedelta
    severity: Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class AgePolicy(Policy):
    """`levels`: the youngest bound first. `field`: the field of the row that is the only level's bound, in seconds."""

    levels: tuple[AgeLevel, ...]
    field: str = ""

    def for_row(self, bound: Number) -> AgePolicy:
        """Return the policy of a row with this bound."""
        oldest = timedelta(microseconds=int(bound * 1_000_000))
        return replace(self, levels=tuple(replace(level, max_age=oldest) for level in self.levels))

    def __post_init__(self) -> None:
        bounds, severities = [level.max_age for level in self.levels], [level.severity for level in self.levels]
        check_ladder(bounds, severities, rising=True, what="an age")


@dataclass(frozen=True, slots=True)
class DeadlineStep:
    """From exactly `left` before the deadline on, this step is reached; `left` of 0 is the deadline itself."""

    left: timedelta
    severity: Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadlinePolicy(Policy):
    """`steps`: the earliest reminder first. Of several reached between two readings only the last is reported."""

    steps: tuple[DeadlineStep, ...]

    def __post_init__(self) -> None:
        bounds, severities = [step.left for step in self.steps], [step.severity for step in self.steps]
        check_ladder(bounds, severities, rising=False, what="a deadline")

    def remind_after(self, severity: Severity) -> timedelta | None:  # noqa: ARG002 - whatever it is
        """Its steps are its reminders; in between only what a check asks for itself."""
        return None if isinstance(self.remind, Reminders) else self.remind


def judge(before: Condition, reading: Reading, now: datetime, policy: AgePolicy) -> Outcome:
    """Judge how long ago the reading was; one that lies in the future is unknown, never fresh."""
    at = as_number(reading)
    if isinstance(at, Unknown | Absent):
        return apply_verdict(before, at, now, policy)
    age_s = seconds_of(now) - at
    if age_s < -CLOCK_SKEW_S:
        ahead = f"the time lies {int(-age_s)} s in the future: wrong clock, or not seconds"
        return apply_verdict(before, Unknown(ahead), now, policy)
    return apply_verdict(before, _compare(age_s, policy), now, policy, {"value": at, "age": age_s})


def judge_deadline(before: Condition, reading: Reading, now: datetime, policy: DeadlinePolicy) -> Outcome:
    """Judge how near the deadline is; each step reached is reported, and a deadline moved away recovers."""
    at = as_number(reading)
    if isinstance(at, Unknown | Absent):
        return apply_verdict(before, at, now, policy)
    left_s = at - seconds_of(now)
    reached = [rank for rank, step in enumerate(policy.steps) if left_s <= seconds_of_span(step.left)]
    ladder = tuple(step.severity for step in policy.steps)
    verdict: Verdict = Breach(ladder, max(reached), -left_s) if reached else Ok()
    return apply_verdict(before, verdict, now, policy, {"value": at, "left": left_s})


def _compare(age_s: Number, policy: AgePolicy) -> Verdict:
    ladder = tuple(level.severity for level in policy.levels)
    breached = [rank for rank, level in enumerate(policy.levels) if age_s > seconds_of_span(level.max_age)]
    return Breach(ladder, max(breached), age_s) if breached else Ok()


def _breached(subject: Subject, facts: Facts) -> str:
    return f" is {_age(facts)} old ({_last(facts)}, allowed {_bound(subject).removeprefix('≤ ')})"


def _good(subject: Subject, facts: Facts) -> str:
    return f" is up to date again: {_age(facts)} old (allowed {_bound(subject).removeprefix('≤ ')})"


def _age(facts: Facts) -> str:
    return format_seconds(number_of(facts, "age"))


def _last(facts: Facts) -> str:
    return f"last update {format_instant(number_of(facts, 'value'))}"


def _bound(subject: Subject) -> str:
    levels = subject.policy.levels if isinstance(subject.policy, AgePolicy) else ()
    return f"≤ {', '.join(format_duration(level.max_age) for level in levels)}"


def _deadline_breached(subject: Subject, facts: Facts) -> str:  # noqa: ARG001 - as every verb
    left, at = number_of(facts, "left"), format_instant(number_of(facts, "value"))
    span = format_seconds(left)
    return f": {span} left, until {at}" if left > 0 else f": the deadline passed {span} ago, at {at}"


def _deadline_good(subject: Subject, facts: Facts) -> str:  # noqa: ARG001 - as every verb
    left, at = number_of(facts, "left"), format_instant(number_of(facts, "value"))
    return f": {format_seconds(left)} left again, until {at}"


def _instant(subject: Subject, value: Value) -> str:  # noqa: ARG001 - as every verb
    return format_instant(value) if is_number(value) else words(value)


WORDS = VerbWords(_breached, _good, _bound, _instant)
DEADLINE_WORDS = VerbWords(_deadline_breached, _deadline_good, value=_instant)


ASKS_AGE = entry(
    "age", FORMULA, "Fires while this time lies too far in the past.", example="age: feed.latestRoundData()[3]"
)
MAX = entry(
    "max",
    DURATION_OF_ROW,
    "How old is still fresh; of rows also a field, in seconds.",
    default="",
    without="or levels",
    example="max: 25h",
)
LEVEL_MAX = entry("max", DURATION, "How old is still fresh.", without="a duration", example="max: 25h")
LEVEL = Section("A level of age: how old, and how bad that is.", LEVEL_MAX, LEVEL_SEVERITY)
LEVELS = entry(
    "levels",
    levels(LEVEL),
    "Ages with severities, from young to old.",
    default="",
    without="or max",
    example="levels: [{max: 25h, severity: low}]",
)
ASKS_DEADLINE = entry("deadline", FORMULA, "Reports that this time comes near.", example="deadline: loan.expires()")
DEADLINE_REMIND = replace(REMIND, without="only its steps are")
STEPS = entry(
    "steps",
    Listed(DURATION),
    "How long before, from far to near; the deadline itself always.",
    default="",
    example="steps: [30d, 7d, 1d]",
)


def _read_age(draft: CheckBuilder) -> ParsedCheck | None:
    expression = draft.number("age")
    single, levels = draft.spot.get("max"), draft.spot.get("levels")
    if (single is None) is (levels is None):
        draft.spot.wrong("max or levels says how old is too old, as in max: 25h")
        return None
    found: list[AgeLevel] = []
    field = draft.field_of_row(single)
    if levels:
        draft.in_levels("severity")
    if single:
        oldest, severity = (_OF_ROW if field else single.duration()), draft.severity()
        found = [AgeLevel(oldest, severity)] if oldest else []
    for item in levels.items("a list of levels") if levels else []:
        item.only(LEVEL.keys)
        oldest, level = item.value(LEVEL_MAX), item.value(LEVEL_SEVERITY)
        if oldest and level is not None:
            if found and (oldest <= found[-1].max_age or level <= found[-1].severity):
                item.wrong("levels go from young to old and from mild to severe, or they are never reported")
            else:
                found.append(AgeLevel(oldest, level))
    if expression is None or not found:
        return None
    policy = with_base(AgePolicy, draft.policy(found[-1].severity), levels=tuple(found), field=field)
    return ParsedCheck("age", (expression.tree,), policy, expression.text)


def _read_deadline(draft: CheckBuilder) -> ParsedCheck | None:
    at, steps = draft.spot.get("deadline"), draft.spot.get("steps")
    expression = draft.formula(at, NUMBER, may_be_constant=True) if at else None  # a date in a contract is written
    severity = draft.severity()
    found: list[DeadlineStep] = []
    for item in steps.items("a list of durations, as in [30d, 7d, 1d]") if steps else []:
        left = item.duration()
        if left and found and left >= found[-1].left:
            item.wrong("steps go from far to near, or they are never reported")
        elif left:
            found.append(DeadlineStep(left, severity))
    found.append(DeadlineStep(timedelta(0), severity))
    if expression is None:
        return None
    policy = with_base(DeadlinePolicy, draft.policy(severity), steps=tuple(found))
    return ParsedCheck("deadline", (expression.tree,), policy, expression.text)


def python_age(at: datetime | Any, *, max: Any, **common: Unpack[CommonKeywords]) -> Asked:
    """Fire while an instant lies longer ago than `max`."""
    options = CommonOptions.of("age", common, python_age)
    levels = options.levels("age", "max", max, lambda value, _: span(value))
    policy = AgePolicy(**options.policy("age", levels[-1][1]), levels=tuple(AgeLevel(*level) for level in levels))
    return Asked(reading(at), policy, options)


def python_deadline(
    at: datetime | Any, *, steps: Iterable[str | timedelta] = (), **common: Unpack[CommonKeywords]
) -> Asked:
    """Report that an instant is near, at each of the `steps` before it (`["30d", "7d", "1d"]`) and when it passes."""
    options = CommonOptions.of("deadline", common, python_deadline)
    shared = options.policy("deadline", understood=("remind",))
    lefts = [*(span(one) for one in steps), timedelta(0)]
    policy = DeadlinePolicy(**shared, steps=tuple(DeadlineStep(left, shared["severity"]) for left in lefts))
    return Asked(reading(at), policy, options)


VERB = Verb(
    name="age",
    judge=judge,
    yaml=(YamlForm(ASKS_AGE, _read_age, (MAX, LEVELS, *WAITING)),),
    python=python_age,
    facts=("value", "age"),
    words=WORDS,
)
DEADLINE = Verb(
    name="deadline",
    judge=judge_deadline,
    yaml=(YamlForm(ASKS_DEADLINE, _read_deadline, (STEPS, DEADLINE_REMIND)),),
    python=python_deadline,
    facts=("value", "left"),
    words=DEADLINE_WORDS,
)
