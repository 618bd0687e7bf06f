"""Did the last message of a condition reach people? If it never will, the condition is reported again."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from monitoring.conditions.condition import Condition
from monitoring.store.db.database import Tx
from monitoring.store.tables import alerts as stored_alerts

# Ours: while the problem lasts, what was given up undelivered is raised again at most this often.
RETELL_AFTER = timedelta(hours=1)


def with_unheard(tx: Tx, condition: Condition, now: datetime) -> Condition:
    """Return the condition, which now knows whether its last message reached nobody and never will."""
    if not condition.is_firing or condition.alert_id is None:
        return condition
    last = stored_alerts.get(tx, condition.alert_id)
    return replace(condition, unheard=is_unheard(condition, last.delivery_status if last else None, now))


def is_unheard(condition: Condition, alert_status: str | None, now: datetime) -> bool:
    """Return whether a message with this delivery status, none if its row is gone, reached nobody and never will.

    What a silence holds back is not meant: delivery sends it when the silence ends.
    """
    if alert_status == "skipped_debug":
        return True
    told_at = condition.last_sent_at or condition.fired_at
    return alert_status == "failed" and (told_at is None or not now - RETELL_AFTER < told_at <= now)
