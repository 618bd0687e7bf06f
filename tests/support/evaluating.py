"""Monitors evaluated by tests as the product does it, with conditions kept in between in their stored form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from monitoring.alerts.message.model import Alert
from monitoring.checks.builtin import TYPES
from monitoring.checks.config.load import load_monitor
from monitoring.checks.drill.rehearsal import StoppedClock
from monitoring.checks.engine.evaluate import Evaluation, evaluate
from monitoring.checks.engine.plan import CheckInstance
from monitoring.checks.engine.point import EvaluationPoint
from monitoring.checks.expression.evaluate import ViewRead
from monitoring.checks.messages.plain import AlertRoute
from monitoring.checks.state.load import LoadedState
from monitoring.conditions.condition import Condition, ConditionKey
from monitoring.conditions.outcome import Outcome


class Reader(Protocol):
    """Answers questions in place of chains and services."""

    def read(self, questions: Any) -> Mapping[Any, Any]: ...


@dataclass(frozen=True)
class Some:
    """Some checks, evaluated as those of a monitor are; a `reader` answers all they ask."""

    checks: Sequence[CheckInstance]
    reader: Reader | None = None
    name: str = "some"
    declared: bool = False
    route: AlertRoute = field(default_factory=lambda: AlertRoute("some"))
    sources: Mapping[str, Any] = field(default_factory=dict)

    @property
    def answers(self) -> Mapping[type, Any]:
        answerers = {kind: answer for one in TYPES.values() for kind, answer in one.answers.items()}
        reader = self.reader
        if reader is None:
            return answerers
        return dict.fromkeys([ViewRead, *answerers], lambda questions, _at: reader.read(questions))

    def parts(self) -> tuple[CheckInstance, ...]:
        return tuple(self.checks)


def loaded(conditions: Mapping[ConditionKey, Condition]) -> LoadedState:
    """Return conditions as a run finds them."""
    return LoadedState(conditions, {})


def evaluate_checks(
    checks: Sequence[CheckInstance],
    reader: Reader | None,
    conditions: Mapping[ConditionKey, Condition],
    now: datetime,
    known: Mapping[Any, Any] | None = None,
    at: EvaluationPoint | None = None,
) -> Evaluation:
    """Evaluate checks once, with nothing of this machine's environment unless `at` has it."""
    at = at or EvaluationPoint({}, StoppedClock(now), known=known or {})
    evaluation = evaluate([Some(checks, reader)], at, loaded(conditions))
    assert not evaluation.traces, evaluation.traces
    return evaluation


def outcomes_of(evaluation: Evaluation) -> dict[ConditionKey, Outcome]:
    return {one.seen.key: one.seen.outcome for one in evaluation.checks}


def judge_file(
    path: Path,
    reader: Reader | None,
    conditions: Mapping[ConditionKey, Condition],
    now: datetime,
    at: EvaluationPoint | None = None,
) -> tuple[dict[ConditionKey, Outcome], dict[ConditionKey, Alert]]:
    """Evaluate one monitor file; return the outcomes, and the alerts that were worded, by key."""
    evaluation = evaluate_checks(load_monitor(path, TYPES).parts(), reader, conditions, now, at=at)
    return outcomes_of(evaluation), {one.seen.key: one.composed.alert for one in evaluation.checks if one.composed}
