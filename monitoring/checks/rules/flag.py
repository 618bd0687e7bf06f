"""`flag`: is a boolean on? The condition lasts as long as it is."""

from __future__ import annotations

from datetime import datetime

from monitoring.chains.abi.values import Unknown
from monitoring.checks.expression.values import Absent, Reading, describe
from monitoring.checks.rules.words import Facts, Subject, VerbWords
from monitoring.conditions.condition import Condition
from monitoring.conditions.outcome import Outcome
from monitoring.conditions.policy import Policy
from monitoring.conditions.transition import Breach, Ok, apply_verdict


def judge(before: Condition, reading: Reading, now: datetime, policy: Policy) -> Outcome:
    """Fire while the reading is true; anything but a boolean is unknown, not a guess."""
    if isinstance(reading, Unknown | Absent):
        return apply_verdict(before, reading, now, policy)
    if not isinstance(reading, bool):
        return apply_verdict(before, Unknown(f"true or false was needed, not {describe(reading)}"), now, policy)
    return apply_verdict(before, Breach((policy.severity,)) if reading else Ok(), now, policy, {"value": reading})


def _is_requirement(subject: Subject) -> bool:
    """Tell whether the flag is the opposite of a requirement: its formula is what should be true."""
    return subject.formula.startswith("require ")


def _breached(subject: Subject, facts: Facts) -> str:  # noqa: ARG001 - as every verb
    return " does not hold" if _is_requirement(subject) else " is on"


def _good(subject: Subject, facts: Facts) -> str:  # noqa: ARG001 - as every verb
    return " holds again" if _is_requirement(subject) else " is off again"


WORDS = VerbWords(_breached, _good, lambda _: "off")
