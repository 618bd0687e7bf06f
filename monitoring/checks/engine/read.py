"""Reads what checks want to know in a few batches of questions: one batch a pass, shared by all monitors of a task.

Called by `evaluate`. A pass asks everything that can be asked already; questions that depend on answers wait for the
next one. What cannot be had is `Unknown`.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any, Protocol

from monitoring.base.errors import UsageError
from monitoring.chains.abi.addresses import is_address
from monitoring.chains.abi.values import Unknown
from monitoring.chains.rpc.memory import JUDGED
from monitoring.checks.engine.evaluation import Readings
from monitoring.checks.engine.monitor import EvaluatedMonitor
from monitoring.checks.engine.plan import CheckInstance, Expanding, PriceQuery, Query, ReadContext
from monitoring.checks.engine.point import EvaluationPoint
from monitoring.checks.engine.prices import answer_prices
from monitoring.checks.engine.resolvers import Answers
from monitoring.checks.engine.sources import read_sources
from monitoring.checks.expression.evaluate import PENDING, ViewRead
from monitoring.checks.expression.values import Value
from monitoring.checks.rows.source_rows import SourceRows
from monitoring.conditions.condition import Condition, ConditionKey

MAX_PASSES = 8  # each is a round trip to every chain; nobody nests views deeper


class BlockReader(Protocol):
    """Answers questions; view calls all at one block per chain and run."""

    def read(self, questions: Sequence[Any]) -> Mapping[Any, Any]:
        """Answer each question; one left out counts as unknown."""
        ...


def read(
    monitors: Sequence[EvaluatedMonitor],
    parts: Sequence[CheckInstance],
    at: EvaluationPoint,
    conditions: Mapping[ConditionKey, Condition],
) -> Readings:
    """Read what the parts of the monitors want at one point."""
    for chain in {part.key.chain for part in parts if part.key.chain}:
        at.memory.recall(JUDGED, str(chain))  # here, and not in the threads that pin blocks
    of_types = {kind: answer for monitor in monitors for kind, answer in monitor.answers.items()}
    answers = Answers(at, {PriceQuery: answer_prices, **of_types})
    found = read_all(parts, answers, read_sources(monitors, at), conditions, at.known)
    return replace(found, lost=answers.crashes)


def read_all(
    parts: Sequence[CheckInstance],
    reader: BlockReader,
    sources: Mapping[tuple[str, str], Value | SourceRows | Unknown],
    conditions: Mapping[ConditionKey, Condition],
    known: Mapping[Query, Any],
) -> Readings:
    """Read everything the parts want, in as few passes as their nesting allows, each question once.

    Raises:
        UsageError: two parts share a key, so that one condition would overwrite the other.
    """
    _check_keys(parts)
    answers: dict[Query, Any] = {}
    known_rows: dict[Hashable, Any] = {}
    passes: list[tuple[Query, ...]] = []
    crashes: dict[ConditionKey, Exception] = {}
    while True:
        desk = ReadContext(answers, sources, conditions, known, rows=known_rows)
        rows = {part.key: _rows_of(part, desk, crashes) for part in parts if isinstance(part, Expanding)}
        found = {part.key: _read(part, desk, crashes) for one in parts for part in rows.get(one.key, (one,))}
        if not desk.wanted or len(passes) == MAX_PASSES:
            deep = Unknown(f"its calls are nested deeper than {MAX_PASSES}")
            found = {key: deep if one is PENDING else one for key, one in found.items()}
            return Readings(found, tuple(passes), crashes, context=desk, rows=rows)
        passes.append(tuple(desk.wanted))
        answers |= _ask(reader, passes[-1])


def _rows_of(
    part: CheckInstance, desk: ReadContext, crashes: dict[ConditionKey, Exception]
) -> tuple[CheckInstance, ...]:
    if part.key in crashes or not isinstance(part, Expanding):
        return (part,)
    try:
        return part.expand(desk)
    except Exception as error:  # noqa: BLE001 - as below
        crashes[part.key] = error
        return (part,)


def _read(part: CheckInstance, desk: ReadContext, crashes: dict[ConditionKey, Exception]) -> Any:  # noqa: ANN401 - by verb
    if part.key in crashes:
        return None
    try:
        return part.read(desk)
    except Exception as error:  # noqa: BLE001 - the border of a check: its bug must not stop the others
        crashes[part.key] = error
        return None


def _check_keys(parts: Sequence[CheckInstance]) -> None:
    seen: set[ConditionKey] = set()
    for part in parts:
        if part.key in seen:
            key = part.key
            raise UsageError(
                f"two checks share one condition, {key.monitor}/{key.check}: give each monitor of a task its own name"
            )
        seen.add(part.key)


def _ask(reader: BlockReader, questions: tuple[Hashable, ...]) -> dict[Query, Any]:
    answers, unanswered = reader.read(questions), Unknown("no answer came")
    found = {question: answers.get(question, unanswered) for question in questions}
    return {question: _clean(one) if isinstance(question, ViewRead) else one for question, one in found.items()}


def _clean(answer: object) -> Value | Unknown:
    """Bring an answer into the form everything inside compares: lower-case addresses, tuples for lists."""
    if isinstance(answer, str):
        return answer.lower() if is_address(answer) else answer
    if isinstance(answer, list | tuple):
        parts = [_clean(part) for part in answer]
        for part in parts:
            if isinstance(part, Unknown):
                return part
        return tuple(part for part in parts if not isinstance(part, Unknown))
    if isinstance(answer, Unknown | bool | int | Fraction | bytes):
        return answer
    return Unknown(f"the answer is a {type(answer).__name__}, which is no value")
