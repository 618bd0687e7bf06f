"""Runs built-in types against real chains and services as a task does, pass by pass, with conditions kept in between.

Each round opens its chains anew, as another process would, and every condition goes through its stored form.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from monitoring.alerts.message.model import Alert, Severity
from monitoring.alerts.message.render import render_plain
from monitoring.base.clock import Clock, SystemClock
from monitoring.chains.rpc.memory import RunMemory
from monitoring.checks.builtin import TYPES
from monitoring.checks.config.load import load_monitor
from monitoring.checks.engine.evaluate import evaluate
from monitoring.checks.engine.plan import CheckInstance
from monitoring.checks.engine.point import EvaluationPoint
from monitoring.checks.state.save import JudgedPart
from monitoring.conditions.condition import Condition, ConditionKey
from monitoring.conditions.outcome import Outcome, Transition
from tests.support.evaluating import Some, loaded
from tests.support.spec import through_data


@dataclass(frozen=True)
class Told:
    """An alert as it would go out."""

    key: ConditionKey
    severity: Severity
    channel: str
    transition: Transition
    message: Alert
    at: datetime
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def text(self) -> str:
        return render_plain(self.message, now=self.at)


@dataclass
class Round:
    told: list[Told]
    outcomes: Mapping[ConditionKey, Outcome]
    requests: int
    passes: int

    def sources(self) -> list[str]:
        """The reasons of sources reported in this round."""
        return [one.source.detail for one in self.outcomes.values() if one.source]


@dataclass
class MonitorWorld:
    """A monitor file, what is remembered, and the environment it runs in."""

    parts: Sequence[CheckInstance]
    environ: Mapping[str, str]
    clock: Clock | None = None
    sleep: Any = lambda _s: None
    seconds: float = 120.0
    fetch: Any = None
    monitors: Path | None = None
    conditions: dict[ConditionKey, Condition] = field(default_factory=dict)
    memory: RunMemory = field(default_factory=RunMemory)

    def point(self) -> EvaluationPoint:
        clock = self.clock or SystemClock()
        return EvaluationPoint(
            self.environ, clock, memory=self.memory, sleep=self.sleep, budget_s=self.seconds, fetch=self.fetch,
            monitors=self.monitors,
        )  # fmt: skip

    def run(self) -> Round:
        at = self.point()
        evaluation = evaluate([Some(self.parts)], at, loaded(self.conditions))
        assert not evaluation.traces, evaluation.traces
        told = [one for entry in evaluation.checks if (one := _told(entry))]
        outcomes = {entry.seen.key: entry.seen.outcome for entry in evaluation.checks}
        for key, outcome in outcomes.items():
            self.conditions[key] = through_data(outcome.condition)
        return Round(told, outcomes, at.chains.requests, len(evaluation.readings.passes))


def _told(entry: JudgedPart) -> Told | None:
    transition, composed = entry.seen.outcome.transition, entry.composed
    if transition is None or composed is None:
        return None
    route = entry.seen.part.route
    return Told(
        entry.seen.key,
        transition.severity,
        route.channel or route.protocol,
        transition,
        composed.alert,
        composed.at,
        composed.metadata,
    )


def monitor_world(path: Path, environ: Mapping[str, str], **how: Any) -> MonitorWorld:
    # Nobody listens there, so that no test asks the market's own service for a price.
    quiet = {"PROVIDER_PUBLIC": "off", "DEFILLAMA_URL": "http://127.0.0.1:9"}
    return MonitorWorld(load_monitor(path, TYPES).parts(), {**quiet, **environ}, **how)
