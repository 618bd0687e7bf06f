"""When a machine that moves funds is called."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from monitoring.alerts.message.model import Severity
from monitoring.alerts.recording.webhook_policy import WebhookReason, judge
from monitoring.store.tables.webhook_calls import WebhookCall

FIRED = datetime(2026, 3, 1, tzinfo=UTC)
LOW, MEDIUM, HIGH, CRITICAL = Severity


@pytest.mark.parametrize(
    ("last", "severity", "fired_minutes", "now_minutes", "expected"),
    [
        (None, LOW, 0, 0, WebhookReason.NOT_SEVERE),
        (None, MEDIUM, 0, 0, WebhookReason.NOT_SEVERE),
        (None, HIGH, 0, 0, WebhookReason.CALL),
        (None, CRITICAL, None, 0, WebhookReason.CALL),
        ((HIGH, 0), HIGH, 0, 120, WebhookReason.SAME_FIRING),
        ((HIGH, 0), CRITICAL, 0, 1, WebhookReason.WORSE),
        ((CRITICAL, 0), HIGH, 0, 120, WebhookReason.SAME_FIRING),
        ((HIGH, 0), HIGH, 20, 30, WebhookReason.COOLING_DOWN),
        ((HIGH, 0), CRITICAL, 20, 30, WebhookReason.WORSE),
        ((HIGH, 0), HIGH, 60, 60, WebhookReason.COOLED_DOWN),
    ],
)
def test_a_machine_is_called_once_for_each_condition_and_level(
    last: tuple[Severity, int] | None,
    severity: Severity,
    fired_minutes: int | None,
    now_minutes: int,
    expected: WebhookReason,
) -> None:
    call = WebhookCall(last[0], FIRED + timedelta(minutes=last[1])) if last else None
    fired_at = None if fired_minutes is None else FIRED + timedelta(minutes=fired_minutes)
    assert judge(call, severity, FIRED + timedelta(minutes=now_minutes), fired_at) is expected
    assert expected.calls is (expected in (WebhookReason.CALL, WebhookReason.WORSE, WebhookReason.COOLED_DOWN))
