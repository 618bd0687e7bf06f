"""A built-in type whose parts break where they are told to, as a bug in one of ours would."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from monitoring.alerts.message.model import Severity
from monitoring.base.yaml.keys import entry
from monitoring.checks.config.yaml_node import Spot
from monitoring.checks.engine.plan import ReadContext
from monitoring.checks.engine.plugin import CheckType, PluginContext, Registry, registry
from monitoring.checks.engine.point import EvaluationPoint
from monitoring.checks.messages.plain import AlertRoute, AlertText
from monitoring.checks.rules import flag
from monitoring.checks.rules.keys import Everything
from monitoring.conditions.condition import Condition, ConditionKey
from monitoring.conditions.outcome import Outcome, Transition
from monitoring.conditions.policy import Policy


@dataclass(frozen=True, slots=True)
class Wish:
    """What its parts ask."""

    name: str


@dataclass
class Bugs:
    """Where it breaks now (`read`, `judge`, `tell`, `answer`), and whether its parts are on."""

    at: str = ""
    on: bool = True

    def meet(self, place: str) -> None:
        if self.at == place:
            raise ZeroDivisionError(f"the bug in {place}")


@dataclass(frozen=True, slots=True)
class FaultyPart:
    key: ConditionKey
    bugs: Bugs
    about: str = "the faulty check"

    @property
    def route(self) -> AlertRoute:
        return AlertRoute(self.key.monitor)

    def read(self, desk: ReadContext) -> Any:
        self.bugs.meet("read")
        return desk.ask(Wish(self.key.check))

    def judge(self, before: Condition, reading: Any, now: datetime) -> Outcome:
        self.bugs.meet("judge")
        return flag.judge(before, reading, now, Policy(severity=Severity.HIGH))

    def compose(self, transition: Transition, at: EvaluationPoint) -> AlertText:
        self.bugs.meet("tell")
        return AlertText(f"the faulty check: {transition.kind.value}")


def faulty(bugs: Bugs) -> Registry:
    """Return a registry with the type `faulty`, whose section names its parts."""

    def schema(spot: Spot, _around: PluginContext) -> list[str]:
        return [text for item in spot.items("a list of names") if (text := item.text("a name"))]

    def plan(names: list[str], around: PluginContext) -> list[FaultyPart]:
        return [FaultyPart(ConditionKey(around.monitor, name, 0), bugs) for name in names]

    def answer(wishes: Sequence[Wish], _tools: EvaluationPoint) -> Mapping[Any, Any]:
        bugs.meet("answer")
        return dict.fromkeys(wishes, bugs.on)

    return registry(
        CheckType(entry("faulty", Everything(), "A type for tests.", default=""), schema, plan, {Wish: answer})
    )
