"""Which checks of an evaluation somebody has paused: they are read, and nothing of them is judged or reported.

What a check remembers stays as it was, so that events of the meantime are found when it goes on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from monitoring.checks.engine.evaluation import EvaluatedCheck
from monitoring.checks.state.load import LoadedState
from monitoring.conditions.condition import Condition
from monitoring.conditions.outcome import Outcome, Reason


def apply(seen: Sequence[EvaluatedCheck], remembered: LoadedState) -> list[EvaluatedCheck]:
    """Return the checks in their order; the outcome of one that is paused is that nothing changed."""
    if not remembered.pauses:
        return [*seen]
    return [_unchanged(one, remembered) if remembered.paused_by(one.key) else one for one in seen]


def _unchanged(one: EvaluatedCheck, remembered: LoadedState) -> EvaluatedCheck:
    before = remembered.conditions.get(one.key) or Condition(one.key)
    return replace(one, outcome=Outcome(before, Reason.PAUSED), crash=None)
