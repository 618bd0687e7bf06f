"""A judged check as a reading to be kept: its exact value, what it was held against, what it was made of. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import Any

from monitoring.chains.abi.values import Unknown
from monitoring.checks.engine.evaluation import EvaluatedCheck
from monitoring.checks.engine.evidence import Evidence
from monitoring.checks.expression.value_text import words
from monitoring.checks.expression.values import Number, is_number, read_number
from monitoring.checks.messages.listing_value import bound_in_words
from monitoring.checks.rules.steps import Step, seconds_of_span, severities_of
from monitoring.conditions.condition import Condition, State
from monitoring.conditions.outcome import Reason
from monitoring.conditions.policy import Policy
from monitoring.conditions.severity import Severity
from monitoring.store.readings.exact_text import Numeric
from monitoring.store.readings.limits import Bound, ReadingLimits
from monitoring.store.readings.reading import CheckReading, ReadingState, Series

_STATES = {State.OK: ReadingState.OK, State.PENDING: ReadingState.PENDING, State.FIRING: ReadingState.FIRING}


def kept_reading(
    seen: EvaluatedCheck, evidence: Evidence, block: int | None, redact: Callable[[str], str]
) -> CheckReading:
    """Return what is kept of one check."""
    part, condition = seen.part, seen.outcome.condition
    subject = getattr(part, "subject", None)
    policy: Policy = getattr(subject, "policy", None) or Policy()
    state, severity = _state(seen)
    value, reference = _values(seen.reading, condition) if state is not ReadingState.NO_DATA else (None, None)
    asked = tuple((one.chain, one.address, one.name) for one in evidence.contracts)
    series = Series(
        seen.key, part.route.protocol, max(_severities(part)), getattr(subject, "verb", ""),
        getattr(subject, "unit", ""), redact(part.about), redact(getattr(subject, "formula", "")), asked,
    )  # fmt: skip
    parts = dict((*evidence.inputs, *evidence.reads))
    inputs = tuple((redact(name), _input(found, redact)) for name, found in parts.items())
    return CheckReading(
        series, state, value, reference, severity, limits_of(policy, bound_in_words(part)), block, inputs
    )


def limits_of(policy: Policy, bound: str) -> ReadingLimits:
    """Return what a policy holds a value against; of one that compares with what it remembers, its words alone."""
    waiting: dict[str, Any] = {"fires_after": policy.hold.span, "in_runs": policy.hold.runs}
    match policy:
        case _ if (tolerance := getattr(policy, "tolerance", None)) is not None:
            return ReadingLimits((_distance(tolerance, policy.severity),), (), bound, from_reference=True, **waiting)
        case _ if (steps := getattr(policy, "steps", None)) is not None:  # a deadline: what is left of it
            lower = tuple(Bound(seconds_of_span(one.left), one.severity) for one in steps)
            return ReadingLimits(lower, (), bound, at_bound=True, **waiting)
    return _of_levels(policy, tuple(getattr(policy, "levels", ())), bound, waiting)


def _of_levels(policy: Policy, levels: tuple[Any, ...], bound: str, waiting: dict[str, Any]) -> ReadingLimits:
    if levels and hasattr(levels[0], "max_age"):
        return ReadingLimits(
            (), tuple(Bound(seconds_of_span(one.max_age), one.severity) for one in levels), bound, **waiting
        )
    if not levels or not hasattr(levels[0], "bound"):
        return ReadingLimits(words=bound, **waiting)
    if (side := getattr(policy, "side", None)) is not None:
        bounds = tuple(Bound(one.bound, one.severity) for one in levels)
        lower, upper = ((), bounds) if side == "above" else (bounds, ())
        clear, at_bound = getattr(policy, "clear", None), getattr(policy, "at_bound", False)
        return ReadingLimits(lower, upper, bound, at_bound=at_bound, clear=clear, **waiting)
    shares = tuple(Bound(one.bound, one.severity, relative=True) for one in levels)
    is_both = getattr(policy, "direction", "both") == "both"
    return ReadingLimits(shares if is_both else (), shares, bound, from_reference=True, **waiting)


def _distance(step: Step, severity: Severity) -> Bound:
    return Bound(step.size, severity, relative=step.relative)


def _values(reading: Any, condition: Condition) -> tuple[Numeric | None, Number | None]:  # noqa: ANN401 - each verb has its own reading
    """Return the value and what it was compared with; nothing of what is no number."""
    reading = getattr(reading, "reading", reading)  # of one that does not wait
    if isinstance(reading, bool):
        return reading, None
    if is_number(reading):
        mark = condition.memory.get("mark")
        return reading, read_number(mark) if isinstance(mark, str) else None
    pair = (getattr(reading, "amount", None), getattr(reading, "price", None))
    if isinstance(reading, tuple) and len(reading) == 2:  # noqa: PLR2004 - both sides of a comparison
        pair = reading
    if is_number(pair[0]) and is_number(pair[1]):
        return pair[0], pair[1]
    return None, None


def _state(seen: EvaluatedCheck) -> tuple[ReadingState, Severity]:
    outcome, condition = seen.outcome, seen.outcome.condition
    if outcome.reason is Reason.PAUSED:
        return ReadingState.PAUSED, Severity.LOW
    if isinstance(seen.reading, Unknown) or condition.no_data is not None:
        return ReadingState.NO_DATA, condition.severity if condition.is_firing else Severity.LOW
    if outcome.reason is Reason.HAPPENED and outcome.transition is not None and not condition.is_firing:
        return ReadingState.HAPPENED, outcome.transition.severity
    found = _STATES[condition.state]
    return found, condition.severity if found is not ReadingState.OK else Severity.LOW


def _severities(part: Any) -> Iterable[Severity]:  # noqa: ANN401 - a check of any type
    found = getattr(part, "severities", ())
    if found:
        return tuple(found)
    policy = getattr(part, "policy", None)
    return severities_of(policy) if isinstance(policy, Policy) else (Severity.LOW,)


def _input(value: Any, redact: Callable[[str], str]) -> Numeric | str:  # noqa: ANN401 - of any kind
    return value if isinstance(value, bool | int | Fraction) else redact(words(value))
