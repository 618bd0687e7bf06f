"""`stuck`: has a value not changed for too long? A verb that only a test adds, as one file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Unpack

from monitoring.base.clock import from_text, to_text
from monitoring.base.yaml.keys import entry
from monitoring.checks.expression.values import Json, to_json
from monitoring.checks.rules.keys import DURATION, FORMULA, LASTING
from monitoring.checks.rules.keywords import CommonKeywords, CommonOptions, reading, span
from monitoring.checks.rules.verb import Asked, ParsedCheck, Verb, YamlForm, with_base
from monitoring.conditions.condition import Condition
from monitoring.conditions.outcome import Outcome
from monitoring.conditions.policy import Policy
from monitoring.conditions.transition import Breach, Ok, apply_verdict
from monitoring.conditions.values import Absent, Unknown

if TYPE_CHECKING:
    from monitoring.checks.config.check import CheckBuilder


@dataclass(frozen=True, slots=True, kw_only=True)
class StuckPolicy(Policy):
    longest: timedelta


def judge(before: Condition, value: Any, now: datetime, policy: StuckPolicy) -> Outcome:
    if isinstance(value, Unknown | Absent):
        return apply_verdict(before, value, now, policy)
    memory: Mapping[str, Json] = {"value": to_json(value), "at": to_text(now)}
    if before.memory.get("value") == memory["value"]:
        memory = before.memory
    is_stuck = now - from_text(str(memory["at"])) > policy.longest
    verdict = Breach((policy.severity,)) if is_stuck else Ok()
    return apply_verdict(before, verdict, now, policy, {"value": value}).remembering(memory)


STUCK = entry("stuck", FORMULA, "Fires while this value does not change.", example="stuck: vault.price()")
LONGER_THAN = entry("longer_than", DURATION, "For how long.", without="a duration, as in 2h", example="longer_than: 2h")


def _stuck(check: CheckBuilder) -> ParsedCheck | None:
    expression, policy = check.expression(STUCK.name), check.policy(check.severity())
    span_ = check.spot.value(LONGER_THAN)
    if expression is None or span_ is None:
        return None
    return ParsedCheck("stuck", (expression.tree,), with_base(StuckPolicy, policy, longest=span_), expression.text)


def python(value: Any, *, longer_than: str | timedelta, **common: Unpack[CommonKeywords]) -> Asked:
    """Fire while a value has not changed for longer than `longer_than`."""
    options = CommonOptions.of("stuck", common, python)
    return Asked(reading(value), StuckPolicy(**options.policy("stuck"), longest=span(longer_than)), options)


VERB = Verb(
    name="stuck",
    judge=judge,
    yaml=(YamlForm(STUCK, _stuck, (LONGER_THAN, *LASTING)),),
    python=python,
)
