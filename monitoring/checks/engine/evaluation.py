"""One look at the world through the parts of a task: read all, judge each; a part with a bug loses only itself.

Pure but for the reader. Nothing is stored or told here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from monitoring.chains.abi.values import Unknown
from monitoring.checks.engine.plan import BlockReader, CheckInstance, Key, ReadContext, Readings, read_all
from monitoring.checks.expression.values import Value
from monitoring.checks.messages.plain import AlertRoute, AlertText
from monitoring.checks.rules.condition import Condition, Kind, Outcome, State
from monitoring.checks.rules.policy import Policy
from monitoring.checks.rules.transition import blinded


@dataclass(frozen=True, slots=True)
class EvaluatedCheck:
    """What came of one part: its reading, and the outcome of judging it. `crash` is its own bug."""

    part: CheckInstance
    reading: Any
    outcome: Outcome
    crash: Exception | None = None

    @property
    def key(self) -> Key:
        return self.part.key


@dataclass(frozen=True, slots=True)
class Looked:
    """The readings of a task, with the bugs met while reading."""

    parts: tuple[CheckInstance, ...]
    readings: Readings
    crashes: Mapping[Key, Exception]


def look(
    parts: Sequence[CheckInstance],
    reader: BlockReader,
    sources: Mapping[tuple[str, str], Value | Unknown],
    conditions: Mapping[Key, Condition],
) -> Looked:
    """Read everything the parts want; see `plan.read_all`."""
    guarded = [_Guarded(part) for part in parts]
    readings = read_all(guarded, reader, sources, conditions)
    return Looked(tuple(parts), readings, {one.key: one.crash for one in guarded if one.crash})


def judge(
    looked: Looked, conditions: Mapping[Key, Condition], now: datetime, untold: frozenset[Key] = frozenset()
) -> list[EvaluatedCheck]:
    """Judge each part; those of `untold` fire, and their message reached nobody, so that it is told anew."""
    return [
        _judge(part, looked, conditions.get(part.key, Condition()), now, part.key in untold) for part in looked.parts
    ]


def _judge(part: CheckInstance, looked: Looked, before: Condition, now: datetime, untold: bool) -> EvaluatedCheck:
    reading, crash = looked.readings.by_key[part.key], looked.crashes.get(part.key)
    if crash is None:
        try:
            outcome = part.judge(before, reading, now)
            return EvaluatedCheck(part, reading, _told_anew(part, before, reading, now, outcome) if untold else outcome)
        except Exception as error:  # noqa: BLE001 - the border of a check: its bug must not stop the others
            crash = error
    lost = Unknown(f"the check crashed: {type(crash).__name__}")
    return EvaluatedCheck(part, lost, replace(blinded(before, lost, now, Policy()), source=None), crash)


def _told_anew(part: CheckInstance, before: Condition, reading: Any, now: datetime, outcome: Outcome) -> Outcome:  # noqa: ANN401
    """Judge as if it had not fired yet, which gives the words of the first alert."""
    if outcome.transition is not None or outcome.condition.state is not State.FIRING:
        return outcome
    again = part.judge(replace(before, state=State.PENDING, rank=-1, worst=None), reading, now)
    fires = again.transition is not None and again.transition.kind is Kind.FIRED
    return again if fires and again.condition.state is State.FIRING else outcome


class _Guarded:
    """A part whose reading cannot stop the others'."""

    def __init__(self, part: CheckInstance) -> None:
        self._part = part
        self.crash: Exception | None = None

    @property
    def key(self) -> Key:
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
