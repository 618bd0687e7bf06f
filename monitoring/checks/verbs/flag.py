"""`flag`: is a boolean on? The condition lasts as long as it is."""

from __future__ import annotations

from datetime import datetime

from monitoring.chains.values import Unknown
from monitoring.checks.condition import Condition, Outcome
from monitoring.checks.policy import Policy
from monitoring.checks.settle import Bad, Good, settle
from monitoring.checks.values import Absent, Reading, describe


def judge(before: Condition, reading: Reading, now: datetime, policy: Policy) -> Outcome:
    """Fire while the reading is true; anything but a boolean is unknown, not a guess."""
    if isinstance(reading, Unknown | Absent):
        return settle(before, reading, now, policy)
    if not isinstance(reading, bool):
        return settle(before, Unknown(f"true or false was needed, not {describe(reading)}"), now, policy)
    return settle(before, Bad((policy.severity,)) if reading else Good(), now, policy, {"value": reading})
