"""What a check is to those who evaluate it: its key, what it asks, how its reading is judged and worded.

Formulas, built-in types and Python monitors make them; `evaluate` goes through them.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, TypeAlias, runtime_checkable

from monitoring.chains.abi.values import Unknown
from monitoring.chains.services.price_gate import PriceGate
from monitoring.checks.engine.point import EvaluationPoint
from monitoring.checks.expression.evaluate import PENDING, PriceRead, Result, ViewRead
from monitoring.checks.expression.values import Value
from monitoring.checks.messages.plain import AlertRoute, AlertText
from monitoring.checks.rows.source_rows import SourceRows
from monitoring.conditions.condition import Condition, ConditionKey
from monitoring.conditions.outcome import Outcome, Transition

# What can be asked: a view `ViewRead`, a price `PriceQuery`, or what a built-in type answers (`CheckType.answers`).
# Equal ones are asked once.
Query: TypeAlias = Hashable
# Answers all questions of one class that one pass has, so that they can share requests. Never raises for the world's
# sake: what cannot be had is `Unknown`.
Answerer: TypeAlias = Callable[[Sequence[Any], EvaluationPoint], Mapping[Any, Any]]


@dataclass(frozen=True, slots=True)
class PriceQuery:
    """A price that a monitor asks for; all of a task share their requests, whatever each demands of the answer."""

    monitor: str
    read: PriceRead
    gate: PriceGate


def value_of(answer: Any) -> Result:  # noqa: ANN401 - a view's answer, or a price
    """Return an answer as the language computes with it."""
    found: Result = getattr(answer, "usd", answer)
    return found


@dataclass(slots=True)
class ReadContext:
    """What is known in one pass, and which questions are still to be asked. `rows` stay over all passes."""

    answers: Mapping[Query, Any]
    sources: Mapping[tuple[str, str], Value | SourceRows | Unknown]
    conditions: Mapping[ConditionKey, Condition] = field(default_factory=dict)
    known: Mapping[Query, Any] = field(default_factory=dict)
    wanted: dict[Query, None] = field(default_factory=dict)
    memo: dict[Hashable, Any] = field(default_factory=dict)
    rows: dict[Hashable, Any] = field(default_factory=dict)

    def ask(self, question: Query) -> Any:  # noqa: ANN401 - each kind of question has its own answer
        """Return the answer to a question (an `Unknown` may come at any time), or `PENDING` and have it asked."""
        if question in self.answers:
            return self.answers[question]
        if question in self.known:
            return self.known[question]
        self.wanted[question] = None
        return PENDING

    def call(self, call: ViewRead) -> Result:
        """Return the answer to a view call, or `PENDING`."""
        found: Result = self.ask(call)
        return found

    def condition(self, key: ConditionKey) -> Condition:
        """Return what is remembered, for parts whose reading goes on where the last one ended (a log's cursor)."""
        return self.conditions.get(key) or Condition(key)

    def source(self, monitor: str, name: str) -> Value | Unknown:
        """Return what a service said, read before the passes."""
        found = self._source(monitor, name)
        return Unknown(f"{name} is a list of rows", name) if isinstance(found, SourceRows) else found

    def source_rows(self, monitor: str, name: str) -> SourceRows | Unknown:
        """Return the rows that a service listed, read before the passes."""
        found = self._source(monitor, name)
        return found if isinstance(found, SourceRows | Unknown) else Unknown(f"{name} has no rows", name)

    def _source(self, monitor: str, name: str) -> Value | SourceRows | Unknown:
        if (monitor, name) in self.known:
            found: Value | SourceRows | Unknown = self.known[monitor, name]
            return found
        return self.sources.get((monitor, name), Unknown(f"the source {name} was not read", name))


class CheckInstance(Protocol):
    """One condition's worth of a monitor: what it reads, and how that is judged. Built-in types make these too."""

    @property
    def key(self) -> ConditionKey:
        """The condition's identity, unique in a task."""
        ...

    @property
    def route(self) -> AlertRoute:
        """Where its alerts go."""
        ...

    @property
    def about(self) -> str:
        """What is watched, in one line for people: it stands in listings and in `explain`."""
        ...

    def read(self, desk: ReadContext) -> Any:  # noqa: ANN401 - each verb has its own reading
        """Return the reading, or `PENDING` while questions are open."""
        ...

    def judge(self, before: Condition, reading: Any, now: datetime) -> Outcome:  # noqa: ANN401 - as above
        """Judge a reading that `read` returned; an `Unknown` may come at any time."""
        ...

    def compose(self, transition: Transition, at: EvaluationPoint) -> AlertText:
        """Put a transition into words. May ask the world for names; if it raises, `plain_message` goes instead."""
        ...


@runtime_checkable
class Expanding(Protocol):
    """A check over things that only reading knows: in each pass it becomes one part for each, and maybe itself."""

    def expand(self, desk: ReadContext) -> tuple[CheckInstance, ...]:
        """Return a part for each thing that is known now, and for each that nobody knows to be gone."""
        ...
