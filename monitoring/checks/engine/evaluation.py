"""One check evaluated: its reading, and what judging it came to. A check with a bug loses only itself.

Pure. Called by `evaluate`; nothing is stored or sent here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from monitoring.chains.abi.values import Unknown
from monitoring.checks.engine.plan import CheckInstance, Key
from monitoring.checks.rules.condition import Condition, Kind, Outcome, State
from monitoring.checks.rules.policy import Policy
from monitoring.checks.rules.transition import blinded


@dataclass(frozen=True, slots=True)
class EvaluatedCheck:
    """What came of one check: its reading, and the outcome of judging it. `crash` is its own bug."""

    part: CheckInstance
    reading: Any
    outcome: Outcome
    crash: Exception | None = None

    @property
    def key(self) -> Key:
        return self.part.key


@dataclass(frozen=True, slots=True)
class Readings:
    """A reading for each check; the questions of each pass, the bugs of checks and of those who answer by kind."""

    by_key: Mapping[Key, Any]
    passes: tuple[tuple[Any, ...], ...] = ()
    crashes: Mapping[Key, Exception] = field(default_factory=dict)
    lost: Mapping[str, Exception] = field(default_factory=dict)


def judge_check(
    part: CheckInstance, readings: Readings, conditions: Mapping[Key, Condition], now: datetime, *, untold: bool = False
) -> EvaluatedCheck:
    """Judge a check; one that is `untold` fires, and its message reached nobody, so that it is sent again."""
    before = conditions.get(part.key, Condition())
    reading, crash = readings.by_key[part.key], readings.crashes.get(part.key)
    if crash is None:
        try:
            outcome = part.judge(before, reading, now)
            return EvaluatedCheck(part, reading, _as_first(part, before, reading, now, outcome) if untold else outcome)
        except Exception as error:  # noqa: BLE001 - the border of a check: its bug must not stop the others
            crash = error
    lost = Unknown(f"the check crashed: {type(crash).__name__}")
    return EvaluatedCheck(part, lost, replace(blinded(before, lost, now, Policy()), source=None), crash)


def _as_first(part: CheckInstance, before: Condition, reading: Any, now: datetime, outcome: Outcome) -> Outcome:  # noqa: ANN401
    """Judge as if it had not fired yet, which gives the words of the first alert."""
    if outcome.transition is not None or outcome.condition.state is not State.FIRING:
        return outcome
    again = part.judge(replace(before, state=State.PENDING, rank=-1, worst=None), reading, now)
    fires = again.transition is not None and again.transition.kind is Kind.FIRED
    return again if fires and again.condition.state is State.FIRING else outcome
