"""A run judged checks with the clock a day ahead; then the clock was put right, and a breach began.

Right: `for`, a reminder and the report of a source without data wait no longer than their own spans from now on.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from monitoring.alerts.message.model import Severity
from monitoring.chains.abi.values import Unknown
from monitoring.conditions.condition import Condition
from monitoring.conditions.outcome import Transition, TransitionKind
from monitoring.conditions.policy import NoDataPolicy, PendingPolicy, Policy
from monitoring.conditions.transition import Breach, apply_verdict
from tests.support.spec import UNJUDGED

pytestmark = pytest.mark.case("A.1")
NOW = datetime(2026, 11, 29, 6, tzinfo=UTC)
AHEAD = NOW + timedelta(days=1)
BREACH = Breach((Severity.CRITICAL,))


def kinds(
    before: Condition, verdict: Breach | Unknown, policy: Policy, *minutes: int
) -> list[tuple[int, TransitionKind]]:
    """Judge at minutes from now on; return what was reported, and when."""
    found = []
    for minute in minutes:
        outcome = apply_verdict(before, verdict, NOW + timedelta(minutes=minute), policy)
        before = outcome.condition
        transitions: list[Transition | None] = [outcome.transition, outcome.source]
        found += [(minute, one.kind) for one in transitions if one]
    return found


def test_a_breach_that_must_last_fires_after_its_own_span() -> None:
    policy = Policy(hold=PendingPolicy(runs=2, span=timedelta(minutes=10)))
    pending = apply_verdict(UNJUDGED, BREACH, AHEAD, policy).condition

    assert kinds(pending, BREACH, policy, 0, 5, 10, 15) == [(10, TransitionKind.FIRED)]


def test_a_breach_that_lasts_is_said_again_after_its_own_span() -> None:
    policy = Policy(remind=timedelta(minutes=30))
    firing = apply_verdict(UNJUDGED, BREACH, AHEAD, policy).condition

    assert kinds(firing, BREACH, policy, 0, 20, 29, 60) == [(60, TransitionKind.REMINDER)]


def test_a_source_without_data_is_reported_after_its_own_span() -> None:
    policy = Policy(silence=NoDataPolicy(runs=1000, span=timedelta(minutes=30)))
    unseen = apply_verdict(UNJUDGED, Unknown("no answer", "mainnet"), AHEAD, policy).condition

    assert kinds(unseen, Unknown("no answer", "mainnet"), policy, 0, 29, 30) == [(30, TransitionKind.SOURCE_TROUBLE)]
