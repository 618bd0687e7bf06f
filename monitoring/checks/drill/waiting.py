"""What a check that waits (`for`) must do while a breach lasts: be pending, then fire, and not before. Pure.

Called by `rehearse.py`.
"""

from __future__ import annotations

from datetime import timedelta

from monitoring.conditions.condition import State
from monitoring.conditions.outcome import Outcome
from monitoring.conditions.policy import PendingPolicy

_NEAR = timedelta(minutes=1)


def instants(waits: PendingPolicy, between: timedelta) -> list[timedelta]:
    """Return how long after its first reading a breach is looked at; it must fire at the last one, and only there."""
    if waits.span:
        return [timedelta(0), waits.span - _NEAR, waits.span]
    return [between * run for run in range(waits.runs)]


def waiting_problem(outcome: Outcome, *, is_last: bool) -> str:
    """Return what a check does not do as it must; nothing where it does."""
    state, fires = outcome.condition.state, outcome.transition is not None
    if is_last:
        return "" if fires else f"must fire, it is {state},"
    return "" if state is State.PENDING and not fires else f"must be pending, it {'fires' if fires else f'is {state}'}"
