"""`flag`: is a boolean on? The condition lasts as long as it is."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Unpack

from monitoring.base.yaml.keys import entry
from monitoring.chains.abi.values import Unknown
from monitoring.checks.expression.values import Absent, Reading, describe
from monitoring.checks.rules.keys import FORMULA, WAITING
from monitoring.checks.rules.keywords import CommonKeywords, CommonOptions, reading
from monitoring.checks.rules.verb import Asked, ParsedCheck, Verb, YamlForm
from monitoring.checks.rules.words import Facts, Subject, VerbWords
from monitoring.conditions.condition import Condition
from monitoring.conditions.outcome import Outcome
from monitoring.conditions.policy import Policy
from monitoring.conditions.transition import Breach, Ok, apply_verdict

if TYPE_CHECKING:
    from monitoring.checks.config.check import CheckBuilder


def judge(before: Condition, reading: Reading, now: datetime, policy: Policy) -> Outcome:
    """Fire while the reading is true; anything but a boolean is unknown, not a guess."""
    if isinstance(reading, Unknown | Absent):
        return apply_verdict(before, reading, now, policy)
    if not isinstance(reading, bool):
        return apply_verdict(before, Unknown(f"true or false was needed, not {describe(reading)}"), now, policy)
    return apply_verdict(before, Breach((policy.severity,)) if reading else Ok(), now, policy, {"value": reading})


def _is_requirement(subject: Subject) -> bool:
    """Return whether the flag is the opposite of a requirement: its formula is what should be true."""
    return subject.formula.startswith("require ")


def _breached(subject: Subject, facts: Facts) -> str:  # noqa: ARG001 - as every verb
    return " does not hold" if _is_requirement(subject) else " is on"


def _good(subject: Subject, facts: Facts) -> str:  # noqa: ARG001 - as every verb
    return " holds again" if _is_requirement(subject) else " is off again"


WORDS = VerbWords(_breached, _good, lambda _: "off")


def _flag(draft: CheckBuilder) -> ParsedCheck | None:
    expression, policy = draft.boolean("flag"), draft.policy(draft.severity())
    return ParsedCheck("flag", (expression.tree,), policy, expression.text) if expression else None


def python(value: Any, **common: Unpack[CommonKeywords]) -> Asked:
    """Fire while a boolean is true."""
    options = CommonOptions.of("flag", common, python)
    return Asked(reading(value), Policy(**options.policy("flag")), options)


FLAG = entry("flag", FORMULA, "Fires while this boolean is true.", example="flag: vault.isShutdown()")
VERB = Verb(
    name="flag", words=WORDS, judge=judge, yaml=(YamlForm(FLAG, _flag, WAITING),), python=python, facts=("value",)
)
