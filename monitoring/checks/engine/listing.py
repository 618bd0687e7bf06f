"""What a run or `explain` shows of each check, one line: its id, value, bound, state and reason."""

from __future__ import annotations

from collections.abc import Sequence

from monitoring.checks.engine.evaluation import EvaluatedCheck
from monitoring.checks.messages.listing_value import bound_in_words, value_in_words
from monitoring.conditions.outcome import Outcome

_WIDEST = 48
# What happened once, by what its verb remembers.
_ONCE = {"mark": "fell, alerted; new baseline", "slots": "moved, alerted; new baseline"}


def lines_of(seen: Sequence[EvaluatedCheck]) -> list[str]:
    """Return one line a check, in columns."""
    rows = [_cells(one) for one in seen]
    widths = [min(_WIDEST, max((len(row[column]) for row in rows), default=0)) for column in range(4)]
    return [
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, [*widths, 0], strict=True)).rstrip() for row in rows
    ]


def _cells(one: EvaluatedCheck) -> tuple[str, str, str, str, str]:
    name = f"{one.key.monitor}/{one.key.text}"
    value, bound = value_in_words(one.part, one.reading), bound_in_words(one.part) or "-"
    return name, value, bound, *_state_and_reason(one.outcome)


def _state_and_reason(outcome: Outcome) -> tuple[str, str]:
    condition, transition = outcome.condition, outcome.transition
    if transition is None:
        return condition.state.value, outcome.reason.value
    if condition.clear_since is None or condition.is_firing:
        return condition.state.value, f"{outcome.reason.value}, {transition.kind.value}"
    what = next((words for name, words in _ONCE.items() if name in condition.memory), "alerted")
    return "happened", what
