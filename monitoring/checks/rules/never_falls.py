"""`never_falls`: did a quantity drop that only grows? Its high-water mark never expires."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from monitoring.base.formatting import format_share
from monitoring.chains.abi.values import Unknown
from monitoring.checks.expression.value_text import words
from monitoring.checks.expression.values import Absent, Number, Reading, as_number, read_number, write_number
from monitoring.checks.rules.steps import NO_STEP, Step
from monitoring.checks.rules.words import Facts, Subject, VerbWords, number_of, shown
from monitoring.conditions.condition import Condition, State
from monitoring.conditions.outcome import Outcome, Reason
from monitoring.conditions.policy import Policy
from monitoring.conditions.transition import Breach, Ok, apply_verdict, at_rest


class Rebase(StrEnum):
    """What becomes of the mark when a fall was told.

    `after_alert`: it moves down to the fallen value, and each further fall is told anew.
    `hold`: it stays, and the condition lasts until the value is back at the mark.
    """

    AFTER_ALERT = "after_alert"
    HOLD = "hold"


@dataclass(frozen=True, slots=True, kw_only=True)
class NeverFallsPolicy(Policy):
    """A fall of exactly `tolerance` below the mark is no breach."""

    tolerance: Step = NO_STEP
    rebase: Rebase = Rebase.AFTER_ALERT


def judge(before: Condition, reading: Reading, now: datetime, policy: NeverFallsPolicy) -> Outcome:
    """Compare with the mark; only a known value that is not lower moves it up."""
    value = as_number(reading)
    if isinstance(value, Unknown | Absent):
        return apply_verdict(before, value, now, policy)
    if "mark" not in before.memory:
        seeded = replace(apply_verdict(before, Ok(), now, policy), reason=Reason.SEEDED)
        return seeded.remembering({"mark": write_number(value)})
    mark = read_number(str(before.memory["mark"]))
    facts = {"value": value, "before": mark}
    outcome = apply_verdict(before, _compare(value, mark, policy), now, policy, facts)
    if value > mark:
        return outcome.remembering({"mark": write_number(value)})
    return _rebased(outcome, value, now, policy)


def _compare(value: Number, mark: Number, policy: NeverFallsPolicy) -> Ok | Breach:
    if value < mark and policy.tolerance.exceeded_by(value - mark, mark):
        return Breach((policy.severity,), 0, mark - value)
    return Ok()


def _rebased(outcome: Outcome, value: Number, now: datetime, policy: NeverFallsPolicy) -> Outcome:
    if outcome.transition is None or outcome.condition.state is not State.FIRING:
        return outcome
    if policy.rebase is Rebase.HOLD:
        return outcome
    rested = at_rest(outcome.condition, outcome.transition.severity, now)
    return replace(outcome, condition=rested).remembering({"mark": write_number(value)})


def _breached(subject: Subject, facts: Facts) -> str:
    value, before = number_of(facts, "value"), number_of(facts, "before")
    by = format_share(value - before, before) or words(before - value, subject.unit)
    return f" fell by {by}: {shown(subject, facts, 'before')} → {shown(subject, facts)}"


def _good(subject: Subject, facts: Facts) -> str:
    return f" is back at {shown(subject, facts)}"


WORDS = VerbWords(_breached, _good, lambda _: "never falls")
