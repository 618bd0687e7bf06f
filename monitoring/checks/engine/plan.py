"""From what monitors want to know to a few batches of questions: one batch a pass, shared by all monitors of a task.

Pure but for the `BlockReader` passed in. A pass asks everything that can be asked already; questions that depend on
answers wait for the next one. Who runs monitors calls `read_all`, then `judge_all`.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from typing import Any, Protocol, TypeAlias

from monitoring.base.errors import ChainError, UsageError
from monitoring.chains.abi.addresses import is_address
from monitoring.chains.abi.values import Unknown
from monitoring.checks.engine.tools import Tools
from monitoring.checks.expression.evaluate import PENDING, Result, ViewRead
from monitoring.checks.expression.values import Value
from monitoring.checks.messages.plain import AlertRoute, AlertText
from monitoring.checks.rules.condition import Condition, Outcome, Transition

MAX_PASSES = 8  # each is a round trip to every chain; nobody nests views deeper


# What can be asked: a view `ViewRead`, or what a built-in type answers (`CheckType.answers`).
# Equal ones are asked once.
Query: TypeAlias = Hashable


class BlockReader(Protocol):
    """Answers questions; view calls all at one block per chain and run."""

    def read(self, questions: Sequence[Any]) -> Mapping[Any, Any]:
        """Answer each question; one left out counts as unknown. `ChainError` makes the whole batch unknown."""
        ...


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """What a condition is about; state is kept under exactly this."""

    monitor: str
    check: str
    chain: int
    subject: str = ""


@dataclass(slots=True)
class ReadContext:
    """What is known in one pass, and which questions are still to be asked."""

    answers: Mapping[Query, Any]
    sources: Mapping[tuple[str, str], Value | Unknown]
    conditions: Mapping[Key, Condition] = field(default_factory=dict)
    wanted: dict[Query, None] = field(default_factory=dict)
    memo: dict[Hashable, Any] = field(default_factory=dict)

    def ask(self, question: Query) -> Any:  # noqa: ANN401 - each kind of question has its own answer
        """Return the answer to a question (an `Unknown` may come at any time), or `PENDING` and have it asked."""
        if question in self.answers:
            return self.answers[question]
        self.wanted[question] = None
        return PENDING

    def call(self, call: ViewRead) -> Result:
        """Return the answer to a view call, or `PENDING`."""
        found: Result = self.ask(call)
        return found

    def condition(self, key: Key) -> Condition:
        """Return what is remembered, for parts whose reading goes on where the last one ended (a log's cursor)."""
        return self.conditions.get(key) or Condition()

    def source(self, monitor: str, name: str) -> Value | Unknown:
        """Return what a service said, read before the passes."""
        return self.sources.get((monitor, name), Unknown(f"the source {name} was not read", name))


class CheckInstance(Protocol):
    """One condition's worth of a monitor: what it reads, and how that is judged. Built-in types make these too."""

    @property
    def key(self) -> Key:
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

    def tell(self, transition: Transition, tools: Tools) -> AlertText:
        """Put a transition into words. May ask the world for names; if it raises, `plain_message` goes instead."""
        ...


@dataclass(frozen=True, slots=True)
class Readings:
    """What was read: a reading for each part, the questions of each pass, and all answers, to explain a reading by."""

    by_key: Mapping[Key, Any]
    passes: tuple[tuple[Any, ...], ...]
    context: ReadContext = field(default_factory=lambda: ReadContext({}, {}))


def read_all(
    parts: Sequence[CheckInstance],
    reader: BlockReader,
    sources: Mapping[tuple[str, str], Value | Unknown] | None = None,
    conditions: Mapping[Key, Condition] | None = None,
) -> Readings:
    """Read everything the parts want, in as few passes as their nesting allows, each question once.

    Raises:
        UsageError: two parts share a key, so that one condition would overwrite the other.
    """
    _check_keys(parts)
    answers: dict[Query, Any] = {}
    passes: list[tuple[Query, ...]] = []
    while True:
        desk = ReadContext(answers, sources or {}, conditions or {})
        found = {part.key: part.read(desk) for part in parts}
        if not desk.wanted:
            return Readings(found, tuple(passes), desk)
        if len(passes) == MAX_PASSES:
            deep = Unknown(f"its calls are nested deeper than {MAX_PASSES}")
            return Readings({key: deep if one is PENDING else one for key, one in found.items()}, tuple(passes), desk)
        passes.append(tuple(desk.wanted))
        answers |= _ask(reader, passes[-1])


def judge_all(
    parts: Sequence[CheckInstance], readings: Readings, conditions: Mapping[Key, Condition], now: datetime
) -> dict[Key, Outcome]:
    """Judge every part against its remembered condition; no part sees another."""
    fresh = Condition()
    return {part.key: part.judge(conditions.get(part.key, fresh), readings.by_key[part.key], now) for part in parts}


def by_source(outcomes: Mapping[Key, Outcome]) -> dict[str, list[Key]]:
    """Group the checks whose source was lost by what is to blame, so that one cause is one message."""
    blinded: dict[str, list[Key]] = {}
    for key, outcome in sorted(outcomes.items()):
        if outcome.source is not None:
            to_blame = str(outcome.source.facts.get("source") or outcome.source.detail)
            blinded.setdefault(f"{outcome.source.kind}: {to_blame}", []).append(key)
    return blinded


def calls_by_chain(calls: Iterable[ViewRead]) -> dict[int, tuple[ViewRead, ...]]:
    """Split the calls of a pass into one batch per chain."""
    chains: dict[int, list[ViewRead]] = {}
    for call in calls:
        chains.setdefault(call.chain, []).append(call)
    return {chain: tuple(batch) for chain, batch in sorted(chains.items())}


def _check_keys(parts: Sequence[CheckInstance]) -> None:
    seen: set[Key] = set()
    for part in parts:
        if part.key in seen:
            key = part.key
            raise UsageError(
                f"two checks share one condition, {key.monitor}/{key.check}: give each monitor of a task its own name"
            )
        seen.add(part.key)


def _ask(reader: BlockReader, questions: tuple[Query, ...]) -> dict[Query, Any]:
    try:
        answers = reader.read(questions)
    except ChainError as error:
        return dict.fromkeys(questions, Unknown(str(error)))
    unanswered = Unknown("no answer came")
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
