"""One look at the world through the parts of a task: read all, judge each; a part with a bug loses only itself.

Pure but for the reader. Nothing is stored or told here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from monitoring.chains.abi.values import Unknown
from monitoring.checks.engine.plan import BlockReader, CheckInstance, ReadContext, Readings, read_all
from monitoring.checks.expression.values import Value
from monitoring.checks.messages.plain import AlertRoute, AlertText
from monitoring.conditions.condition import Condition, ConditionKey
from monitoring.conditions.outcome import Outcome
from monitoring.conditions.policy import Policy
from monitoring.conditions.transition import no_data


@dataclass(frozen=True, slots=True)
class EvaluatedCheck:
    """What came of one part: its reading, and the outcome of judging it. `crash` is its own bug."""

    part: CheckInstance
    reading: Any
    outcome: Outcome
    crash: Exception | None = None

    @property
    def key(self) -> ConditionKey:
        return self.part.key


@dataclass(frozen=True, slots=True)
class Looked:
    """The readings of a task, with the bugs met while reading."""

    parts: tuple[CheckInstance, ...]
    readings: Readings
    crashes: Mapping[ConditionKey, Exception]


def look(
    parts: Sequence[CheckInstance],
    reader: BlockReader,
    sources: Mapping[tuple[str, str], Value | Unknown],
    conditions: Mapping[ConditionKey, Condition],
) -> Looked:
    """Read everything the parts want; see `plan.read_all`."""
    guarded = [_Guarded(part) for part in parts]
    readings = read_all(guarded, reader, sources, conditions)
    return Looked(tuple(parts), readings, {one.key: one.crash for one in guarded if one.crash})


def judge(looked: Looked, conditions: Mapping[ConditionKey, Condition], now: datetime) -> list[EvaluatedCheck]:
    """Judge each part."""
    return [_judge(part, looked, conditions.get(part.key) or Condition(part.key), now) for part in looked.parts]


def _judge(part: CheckInstance, looked: Looked, before: Condition, now: datetime) -> EvaluatedCheck:
    reading, crash = looked.readings.by_key[part.key], looked.crashes.get(part.key)
    if crash is None:
        try:
            return EvaluatedCheck(part, reading, part.judge(before, reading, now))
        except Exception as error:  # noqa: BLE001 - the border of a check: its bug must not stop the others
            crash = error
    lost = Unknown(f"the check crashed: {type(crash).__name__}")
    return EvaluatedCheck(part, lost, replace(no_data(before, lost, now, Policy()), source=None), crash)


class _Guarded:
    """A part whose reading cannot stop the others'."""

    def __init__(self, part: CheckInstance) -> None:
        self._part = part
        self.crash: Exception | None = None

    @property
    def key(self) -> ConditionKey:
        return self._part.key

    @property
    def route(self) -> AlertRoute:
        return self._part.route

    @property
    def about(self) -> str:
        return self._part.about

    def read(self, desk: ReadContext) -> Any:  # noqa: ANN401 - each verb has its own reading
        if self.crash is not None:
            return None
        try:
            return self._part.read(desk)
        except Exception as error:  # noqa: BLE001 - as above
            self.crash = error
            return None

    def judge(self, before: Condition, reading: Any, now: datetime) -> Outcome:  # noqa: ANN401 - as above
        return self._part.judge(before, reading, now)

    def tell(self, transition: Any, tools: Any) -> AlertText:  # noqa: ANN401 - never called here
        return self._part.tell(transition, tools)
