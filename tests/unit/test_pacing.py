"""The pace of far sides and the back-off."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from monitoring.alerts.message.model import Severity
from monitoring.alerts.senders.limits import RateLimit, RateLimits, wait_s
from monitoring.base.http.retry import Backoff


@given(
    st.lists(st.floats(0, 30), min_size=1, max_size=80),
    st.sampled_from(
        [(RateLimit(1, 1.0), RateLimit(20, 60.0)), (RateLimit(1, 1.0),), (RateLimit(25, 1.0),), (RateLimit(3, 7.0),)]
    ),
)
def test_no_window_ever_holds_more_than_its_limit(gaps: list[float], limits: tuple[RateLimit, ...]) -> None:
    now, sent = 0.0, []
    for gap in gaps:
        now += gap
        now += wait_s(limits, sent, now)
        sent.append(now)
    for limit in limits:
        for start in sent:
            assert sum(start <= at < start + limit.window_s - 1e-6 for at in sent) <= limit.count


def test_a_full_minute_leaves_room_for_the_urgent_ones() -> None:
    limits = RateLimits()
    sent = [float(second) for second in range(16)]
    assert wait_s(limits.of_chat("-100", Severity.LOW), sent, 17.0) > 40
    assert wait_s(limits.of_chat("-100", Severity.MEDIUM), sent, 17.0) > 40
    assert wait_s(limits.of_chat("-100", Severity.HIGH), sent, 17.0) == 0
    assert wait_s(limits.of_chat("-100", Severity.CRITICAL), sent, 17.0) == 0


def test_a_private_chat_has_no_limit_by_the_minute() -> None:
    sent = [float(second) for second in range(50)]
    assert wait_s(RateLimits().of_chat("4711", Severity.LOW), sent, 51.0) == 0
    assert wait_s(RateLimits().of_chat("@channel", Severity.LOW), sent, 51.0) > 0


def test_a_clock_that_was_set_back_does_not_hold_a_chat_for_longer_than_a_window() -> None:
    sent_in_the_future = [1_000_000.0]
    assert wait_s([RateLimit(1, 1.0)], sent_in_the_future, 10.0) <= 1.0


def test_the_back_off_doubles_up_to_its_cap_and_is_spread() -> None:
    backoff = Backoff(first_s=1, cap_s=60)
    assert [backoff.delay(count, 1.0).total_seconds() for count in (1, 2, 3, 4, 7, 1000)] == [1, 2, 4, 8, 60, 60]
    assert backoff.delay(3, 0.0) == timedelta(seconds=3)
    assert backoff.delay(0, 1.0) == timedelta(seconds=1)
