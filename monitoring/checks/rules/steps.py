"""Sizes of change and ladders of levels, which the policies of several verbs share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from typing import TypeVar

from monitoring.alerts.message.model import Severity
from monitoring.base.errors import UsageError
from monitoring.checks.expression.values import Number, magnitude
from monitoring.conditions.policy import Policy

T = TypeVar("T", Number, timedelta)
_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
_MICROSECOND = timedelta(microseconds=1)


def either(severity: Severity | None, otherwise: Severity) -> Severity:
    """Return the severity where there is one; LOW counts as one though its number is 0."""
    return otherwise if severity is None else severity


@dataclass(frozen=True, slots=True)
class Step:
    """A size of change: relative to what it is measured from (`15%`), or in the value's own unit."""

    size: Number
    relative: bool = False

    def exceeded_by(self, change: Number, base: Number) -> bool:
        """Return whether a change from `base` is larger; exactly as large is not. From 0 any change is."""
        if not self.relative:
            return magnitude(change) > self.size
        return magnitude(change) > magnitude(base) * self.size


NO_STEP = Step(0)


def check_ladder(bounds: Sequence[T], severities: Sequence[Severity], *, rising: bool, what: str) -> None:
    """See that levels go from the mildest bound to the worst, or ranks would mean nothing.

    Raises:
        UsageError: they do not, or there are none.
    """
    steps = [(after > before) is rising and after != before for before, after in pairwise(bounds)]
    if not bounds or not all(steps) or any(after < before for before, after in pairwise(severities)):
        raise UsageError(f"the levels of {what} must go from the mildest bound to the worst, at least one")


def ratio(over: Number, under: Number) -> Fraction:
    """Divide exactly; the caller has looked at zero."""
    return Fraction(over) / under


def severities_of(policy: Policy) -> tuple[Severity, ...]:
    """Return how bad a check can be, the mildest first."""
    levels = getattr(policy, "levels", ()) or getattr(policy, "steps", ())
    return tuple(dict.fromkeys(level.severity for level in levels)) or (policy.severity,)


def with_severity(policy: Policy, severity: Severity) -> Policy:
    """Return a policy that is this severe; one whose levels have several severities stays as it is."""
    levels = {name: found for name in ("levels", "steps") if (found := getattr(policy, name, ()))}
    if len(severities_of(policy)) > 1:
        return policy
    changed = {name: tuple(replace(level, severity=severity) for level in found) for name, found in levels.items()}
    of_members = {name: severity for name in ("added", "removed") if getattr(policy, name, None) is policy.severity}
    return replace(policy, severity=severity, **changed, **of_members)  # type: ignore[arg-type]  # of the policy's own class


def seconds_of(instant: datetime) -> Fraction:
    """Return an instant as exact unix seconds."""
    return seconds_of_span(instant - _EPOCH)


def seconds_of_span(span: timedelta) -> Fraction:
    """Return a span as exact seconds."""
    return Fraction(span // _MICROSECOND, 1_000_000)
