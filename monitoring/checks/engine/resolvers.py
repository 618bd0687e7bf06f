"""Answers the questions of a pass: view calls by one multicall a chain, all others by the type that asks them.

Made by `read`. What cannot be had is `Unknown`; a bug in an answerer costs its own questions only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from monitoring.chains.abi.addresses import SignatureError
from monitoring.chains.abi.values import Unknown
from monitoring.chains.rpc import multicall
from monitoring.checks.engine.plan import Answerer
from monitoring.checks.engine.point import EvaluationPoint
from monitoring.checks.expression.evaluate import ViewRead

Answered = Mapping[Any, Any]


class Answers:
    """The reader of one evaluation; `crashes` are the bugs it met, by the kind of question."""

    def __init__(self, at: EvaluationPoint, answerers: Mapping[type, Answerer]) -> None:
        self._at = at
        self._answerers: dict[type, Answerer] = {ViewRead: read_views, **answerers}
        self.crashes: dict[str, Exception] = {}

    def read(self, questions: Sequence[Any]) -> Answered:
        """Answer each question; kinds are asked one after the other, since they may share a chain."""
        kinds: dict[type, list[Any]] = {}
        for question in questions:
            kinds.setdefault(type(question), []).append(question)
        found: dict[Any, Any] = {}
        for kind, asked in kinds.items():
            found |= self._ask(kind, asked)
        return found

    def _ask(self, kind: type, asked: list[Any]) -> Answered:
        answerer = self._answerers.get(kind)
        if answerer is None:
            return dict.fromkeys(asked, Unknown(f"nobody answers a {kind.__name__}"))
        try:
            return answerer(asked, self._at)
        except Exception as error:  # noqa: BLE001 - the border of a check: its bug must not stop the others
            self.crashes[kind.__name__] = error
            return dict.fromkeys(asked, Unknown(f"reading a {kind.__name__} crashed: {type(error).__name__}"))


def calls_by_chain(calls: Iterable[ViewRead]) -> dict[int, tuple[ViewRead, ...]]:
    """Split the calls of a pass into one batch per chain."""
    chains: dict[int, list[ViewRead]] = {}
    for call in calls:
        chains.setdefault(call.chain, []).append(call)
    return {chain: tuple(batch) for chain, batch in sorted(chains.items())}


def read_views(calls: Sequence[ViewRead], at: EvaluationPoint) -> Answered:
    """Read all chains at once: a slow one must not make the others wait."""
    batches = calls_by_chain(calls)
    if len(batches) == 1:
        return _view(*next(iter(batches.items())), at)
    _ = at.chains  # opened here, and not by several threads at once
    with ThreadPoolExecutor(len(batches)) as threads:
        answers = threads.map(lambda batch: _view(batch[0], batch[1], at), batches.items())
        return {question: answer for found in answers for question, answer in found.items()}


def _view(chain: int, calls: Sequence[ViewRead], at: EvaluationPoint) -> Answered:
    view = at.chains.view(chain)
    if isinstance(view, Unknown):
        return dict.fromkeys(calls, view)
    ready: dict[ViewRead, multicall.Call] = {}
    answers: dict[Any, Any] = {}
    for one in calls:
        try:
            ready[one] = multicall.call(one.target, one.signature, *one.arguments)
        except SignatureError as error:
            answers[one] = Unknown(str(error))
    return answers | view.read(ready)
