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
from monitoring.base.clock import Clock
from monitoring.chains.abi.values import Unknown
from monitoring.chains.rpc import multicall
from monitoring.chains.rpc.budget import Budget
from monitoring.chains.rpc.memory import RunMemory
from monitoring.chains.rpc.views import Chains
from monitoring.checks.builtin import TYPES
from monitoring.checks.config.load import load_monitor
from monitoring.checks.engine.plan import CheckInstance, judge_all, read_all
from monitoring.checks.engine.tools import Tools, open_tools
from monitoring.checks.expression.evaluate import ViewRead
from monitoring.checks.messages.plain import AlertText
from monitoring.conditions.condition import Condition, ConditionKey
from monitoring.conditions.outcome import Outcome, Transition
from tests.support.spec import through_data


@dataclass(frozen=True)
class Told:
    """An alert as it would go out."""

    key: ConditionKey
    severity: Severity
    channel: str
    transition: Transition
    message: AlertText
    at: datetime

    @property
    def text(self) -> str:
        alert = Alert(self.severity, self.message.title, *self.message.blocks, protocol=self.channel)
        return render_plain(alert, now=self.at)


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
    conditions: dict[ConditionKey, Condition] = field(default_factory=dict)
    memory: RunMemory = field(default_factory=RunMemory)

    def tools(self) -> Tools:
        budget = Budget(sleep=self.sleep, clock=self.clock, seconds=self.seconds)
        return open_tools(self.environ, Chains(self.environ, budget=budget, memory=self.memory))

    def run(self) -> Round:
        tools = self.tools()
        readings = read_all(self.parts, _Reader(tools), conditions=self.conditions)
        outcomes = judge_all(self.parts, readings, self.conditions, tools.clock.now())
        told = [self._told(part, outcomes[part.key], tools) for part in self.parts if outcomes[part.key].transition]
        for key, outcome in outcomes.items():
            self.conditions[key] = through_data(outcome.condition)
        return Round([one for one in told if one], outcomes, tools.chains.requests, len(readings.passes))

    def _told(self, part: CheckInstance, outcome: Outcome, tools: Tools) -> Told | None:
        found = outcome.transition
        if found is None:
            return None
        channel = part.route.channel or part.route.protocol
        return Told(part.key, found.severity, channel, found, part.tell(found, tools), tools.clock.now())


def monitor_world(path: Path, environ: Mapping[str, str], **how: Any) -> MonitorWorld:
    return MonitorWorld(load_monitor(path, TYPES).parts(), environ, **how)


@dataclass
class _Reader:
    tools: Tools

    def read(self, questions: Sequence[Any]) -> dict[Any, Any]:
        found: dict[Any, Any] = {}
        answerers = {asked: answer for kind in TYPES.values() for asked, answer in kind.answers.items()}
        for asked, answer in answerers.items():
            own = [one for one in questions if isinstance(one, asked)]
            found |= answer(own, self.tools) if own else {}
        for chain in sorted({one.chain for one in questions if isinstance(one, ViewRead)}):
            found |= self._views(chain, [one for one in questions if isinstance(one, ViewRead) and one.chain == chain])
        return found

    def _views(self, chain: int, calls: list[ViewRead]) -> dict[Any, Any]:
        view = self.tools.chains.view(chain)
        if isinstance(view, Unknown):
            return dict.fromkeys(calls, view)
        return view.read({one: multicall.call(one.target, one.signature, *one.arguments) for one in calls})
