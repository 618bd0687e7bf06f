"""One cause, one alert: what follows from a condition that people know of is held back while it fires. Pure.

Never so that nobody has the cause: it must fire, be reported, and be at least as severe as what it holds back.
"""

from __future__ import annotations

from dataclasses import replace

from monitoring.conditions.condition import Condition, State
from monitoring.conditions.outcome import Outcome, Reason
from monitoring.conditions.severity import Severity


def is_known(cause: Condition) -> bool:
    """Return whether people were notified that this fires; a message that a silence holds back does not count."""
    return cause.is_firing and cause.last_sent_at is not None and not cause.unheard


def holds_back(cause: Condition, severity: Severity) -> bool:
    """Return whether a cause that fires was reported at least as severe as this."""
    return cause.is_firing and cause.worst >= severity


def held_back(before: Condition, outcome: Outcome, cause: str) -> Outcome:
    """Return the outcome as if it had not lasted long enough: once the cause is over, the next reading reports it.

    What happened once is compared with the same baseline again.
    """
    condition = outcome.condition
    if not condition.is_firing:
        resting = replace(before, no_data=condition.no_data, inhibited_by=cause)
        return Outcome(resting, Reason.INHIBITED, None, outcome.source)
    waiting = replace(
        condition, state=State.PENDING, fired_at=before.fired_at, heard_at=None, last_sent_at=before.last_sent_at,
        rank=-1, worst=condition.severity, worst_measure=None, remind_every=None, inhibited_by=cause,
    )  # fmt: skip
    return Outcome(waiting, Reason.INHIBITED, None, outcome.source)


def free(outcome: Outcome) -> Outcome:
    """Return the outcome of a check that nothing holds back now."""
    if not outcome.condition.inhibited_by:
        return outcome
    return replace(outcome, condition=replace(outcome.condition, inhibited_by=""))
