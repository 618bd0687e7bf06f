"""Whether a machine is called for an alert: HIGH and CRITICAL only, once per condition and level. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from monitoring.alerts.message.model import Severity
from monitoring.store.tables.webhook_calls import WebhookCall

# Ours: a condition that recovers and fires again within this time does not call again for the same level.
COOLDOWN = timedelta(hours=1)


class WebhookReason(StrEnum):
    """Why a machine is called, or is not."""

    CALL = "the first call for this condition"
    WORSE = "a worse level passes the cooldown"
    COOLED_DOWN = "the cooldown has passed"
    NOT_SEVERE = "machines are called for HIGH and CRITICAL"
    SAME_FIRING = "called for this firing and level already"
    COOLING_DOWN = "called for this condition and level less than an hour ago"

    @property
    def calls(self) -> bool:
        return self in (WebhookReason.CALL, WebhookReason.WORSE, WebhookReason.COOLED_DOWN)


def judge(last: WebhookCall | None, severity: Severity, now: datetime, fired_at: datetime | None) -> WebhookReason:
    """Decide by the last call for the same condition; `fired_at` is when the present firing began.

    An alert without a condition is an event of its own: there `last` is none.
    """
    if severity < Severity.HIGH:
        return WebhookReason.NOT_SEVERE
    if last is None:
        return WebhookReason.CALL
    if severity > last.severity_rank:
        return WebhookReason.WORSE
    if fired_at is not None and fired_at <= last.called_at:
        return WebhookReason.SAME_FIRING
    return WebhookReason.COOLED_DOWN if now - last.called_at >= COOLDOWN else WebhookReason.COOLING_DOWN
