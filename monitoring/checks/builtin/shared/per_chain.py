"""Answers questions chain by chain, all chains at once: a slow one must not make the others wait."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, TypeVar

from monitoring.chains.abi.values import Unknown
from monitoring.chains.rpc.views import ChainView
from monitoring.checks.engine.point import EvaluationPoint


class OfChain(Protocol):
    """A question about one chain."""

    @property
    def chain(self) -> int: ...


Q = TypeVar("Q", bound=OfChain)


def answer_per_chain(
    questions: Sequence[Q], at: EvaluationPoint, answer: Callable[[Sequence[Q], ChainView], Mapping[Q, Any]]
) -> dict[Q, Any]:
    """Ask `answer` for the questions of each chain in a thread of its own; it may not touch what chains share."""
    chains: dict[int, list[Q]] = {}
    for question in questions:
        chains.setdefault(question.chain, []).append(question)

    def of_chain(chain: int) -> Mapping[Q, Any]:
        view = at.chains.view(chain)
        return dict.fromkeys(chains[chain], view) if isinstance(view, Unknown) else answer(chains[chain], view)

    with ThreadPoolExecutor(max(len(chains), 1)) as threads:
        return {question: one for found in threads.map(of_chain, sorted(chains)) for question, one in found.items()}
