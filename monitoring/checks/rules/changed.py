"""`changed`: is the value different from the last known one? Each change is reported once; nothing lasts."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Unpack

from monitoring.base.yaml.keys import entry
from monitoring.chains.abi.values import Unknown
from monitoring.checks.expression.values import Absent, Reading, from_json, to_json
from monitoring.checks.rules.keys import FORMULA
from monitoring.checks.rules.keywords import CommonKeywords, CommonOptions, reading
from monitoring.checks.rules.verb import Asked, ParsedCheck, Verb, YamlForm
from monitoring.checks.rules.words import Facts, Subject, VerbWords, shown
from monitoring.conditions.condition import Condition
from monitoring.conditions.outcome import Outcome, Reason
from monitoring.conditions.policy import Policy
from monitoring.conditions.transition import apply_verdict, happened, unchanged

if TYPE_CHECKING:
    from monitoring.checks.config.check import CheckBuilder


def judge(before: Condition, reading: Reading, now: datetime, policy: Policy) -> Outcome:
    """Compare with the value remembered; the first one is only remembered.

    `none` does not erase the memory: a value that comes back different has changed.
    """
    if isinstance(reading, Unknown | Absent):
        return apply_verdict(before, reading, now, policy)
    if "value" not in before.memory:
        return unchanged(before, now, Reason.SEEDED).remembering({"value": to_json(reading)})
    if before.memory["value"] == to_json(reading):
        return unchanged(before, now)
    facts = {"value": reading, "before": from_json(before.memory["value"])}
    return happened(before, now, policy.severity, facts).remembering({"value": to_json(reading)})


def _breached(subject: Subject, facts: Facts) -> str:
    return f" changed: {shown(subject, facts, 'before')} → {shown(subject, facts)}"


def _good(subject: Subject, facts: Facts) -> str:
    return f" is {shown(subject, facts)}"


WORDS = VerbWords(_breached, _good, lambda _: "does not change")


def _changed(draft: CheckBuilder) -> ParsedCheck | None:
    expression, policy = draft.expression("changed"), draft.policy(draft.severity(), lasting=False)
    return ParsedCheck("changed", (expression.tree,), policy, expression.text) if expression else None


def python(value: Any, **common: Unpack[CommonKeywords]) -> Asked:
    """Report each change of a value of any kind."""
    options = CommonOptions.of("changed", common, python)
    return Asked(reading(value), Policy(**options.policy("changed", understood=())), options)


CHANGED = entry("changed", FORMULA, "Reports each change of this value.", example="changed: vault.owner()")
VERB = Verb(
    name="changed",
    words=WORDS,
    judge=judge,
    yaml=(YamlForm(CHANGED, _changed),),
    python=python,
    facts=("value", "before"),
)
