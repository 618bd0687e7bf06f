"""`flag`: is a boolean on? The condition lasts as long as it is."""

from __future__ import annotations

from datetime import datetime

from monitoring.chains.abi.values import Unknown
from monitoring.checks.expression.values import Absent, Reading, describe
from monitoring.checks.rules.condition import Condition, Outcome
from monitoring.checks.rules.policy import Policy
from monitoring.checks.rules.transition import Breach, Ok, settle
from monitoring.checks.rules.words import Facts, Subject, VerbWords


def judge(before: Condition, reading: Reading, now: datetime, policy: Policy) -> Outcome:
    """Fire while the reading is true; anything but a boolean is unknown, not a guess."""
    if isinstance(reading, Unknown | Absent):
        return settle(before, reading, now, policy)
    if not isinstance(reading, bool):
        return settle(before, Unknown(f"true or false was needed, not {describe(reading)}"), now, policy)
    return settle(before, Breach((policy.severity,)) if reading else Ok(), now, policy, {"value": reading})


def _is_requirement(subject: Subject) -> bool:
    """Tell whether the flag is the opposite of a requirement: its formula is what should be true."""
    return subject.formula.startswith("require ")


def _breached(subject: Subject, facts: Facts) -> str:  # noqa: ARG001 - as every verb
    return " does not hold" if _is_requirement(subject) else " is on"


def _good(subject: Subject, facts: Facts) -> str:  # noqa: ARG001 - as every verb
    return " holds again" if _is_requirement(subject) else " is off again"


WORDS = VerbWords(_breached, _good, lambda _: "off")
