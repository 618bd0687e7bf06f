"""One check evaluated: its reading, and what judging it came to. A check with a bug loses only itself.

Pure. Called by `evaluate`; nothing is stored or sent here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from monitoring.base.errors import UsageError
from monitoring.chains.abi.values import Unknown
from monitoring.checks.engine.plan import CheckInstance, ReadContext
from monitoring.checks.state.old_values import OldValue
from monitoring.conditions.condition import Condition, ConditionKey, Owner
from monitoring.conditions.outcome import Outcome
from monitoring.conditions.ownership import why_not
from monitoring.conditions.policy import Policy
from monitoring.conditions.transition import no_data


@dataclass(frozen=True, slots=True)
class EvaluatedCheck:
    """What came of one check: its reading, and the outcome of judging it. `crash` is its own bug.

    `first` is what it started from, where the system before this one remembered that.
    """

    part: CheckInstance
    reading: Any
    outcome: Outcome
    crash: Exception | None = None
    first: OldValue | None = None

    @property
    def key(self) -> ConditionKey:
        return self.part.key


@dataclass(frozen=True, slots=True)
class Readings:
    """A reading for each check; the questions of each pass, the bugs of checks and of those who answer by kind.

    `context` has all answers, to explain a reading by. `rows` has the parts that a check over a list became.
    """

    by_key: Mapping[ConditionKey, Any]
    passes: tuple[tuple[Any, ...], ...] = ()
    crashes: Mapping[ConditionKey, Exception] = field(default_factory=dict)
    lost: Mapping[str, Exception] = field(default_factory=dict)
    context: ReadContext = field(default_factory=lambda: ReadContext({}, {}))
    rows: Mapping[ConditionKey, tuple[CheckInstance, ...]] = field(default_factory=dict)


def judge_check(
    part: CheckInstance,
    readings: Readings,
    conditions: Mapping[ConditionKey, Condition],
    now: datetime,
    first: OldValue | None = None,
) -> EvaluatedCheck:
    """Judge a check against its remembered condition; one that remembers nothing starts from `first`."""
    before = conditions.get(part.key) or Condition(part.key)
    if first is not None:
        before = replace(before, memory=first.memory)
    reading, crash = readings.by_key[part.key], readings.crashes.get(part.key)
    if why := why_not(before, Owner.JUDGED, None):
        crash = UsageError(why)
    if crash is None:
        try:
            return EvaluatedCheck(part, reading, part.judge(before, reading, now), first=first)
        except Exception as error:  # noqa: BLE001 - the border of a check: its bug must not stop the others
            crash = error
    lost = Unknown(f"the check crashed: {type(crash).__name__}")
    return EvaluatedCheck(part, lost, replace(no_data(before, lost, now, Policy()), source=None), crash)
