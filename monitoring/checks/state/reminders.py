"""Reminders that are due in one run, folded: one message for a monitor and its chat, however many conditions go on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from monitoring.alerts.message.model import Alert
from monitoring.alerts.message.text import line, since, table
from monitoring.alerts.recording.store_alert import AlertKind, AlertOrigin, store_in
from monitoring.conditions.condition import Condition
from monitoring.store.db.database import Tx
from monitoring.store.tables import conditions, silences

_MOST_ROWS = 30


def foldable(tx: Tx, alerts: Sequence[Alert], now: datetime) -> list[list[int]]:
    """Return which of these reminders become one message: two or more of one chat that no silence holds back."""
    holding = silences.active(tx, now)
    by_chat: dict[tuple[str, str, str], list[int]] = defaultdict(list)
    for index, alert in enumerate(alerts):
        if not any(silence.covers(alert.protocol, alert.key) for silence in holding):
            by_chat[alert.protocol, alert.channel, alert.source].append(index)
    return [found for found in by_chat.values() if len(found) > 1]


def store_folded_in(tx: Tx, found: Sequence[Condition], now: datetime, origin: AlertOrigin) -> None:
    """Store one reminder of several conditions of one chat, and what they now know of it."""
    worst_first = sorted(found, key=lambda each: (-each.worst, each.fired_at or now))
    rows = [(each.worst.name, each.title or each.key.text, _began(each)) for each in worst_first[:_MOST_ROWS]]
    more = len(found) - len(rows)
    protocol, channel = found[0].protocol, found[0].channel
    alert = Alert(
        worst_first[0].worst,
        f"{len(found)} conditions of {protocol} are still firing",
        table(("severity", "condition", "since"), rows),
        *([line(f"and {more} more; `incidents` lists them all")] if more else []),
        protocol=protocol, channel=channel, source=found[0].source,
    )  # fmt: skip
    metadata = {"monitor": found[0].key.monitor, "transition": "reminder", "checks": [each.key.text for each in found]}
    stored = store_in(tx, alert, now=now, origin=origin, kind=AlertKind.REMINDER, metadata=metadata)
    sent_at = None if stored.status == "skipped_debug" else now
    for each in found:
        conditions.put(tx, replace(each, alert_id=stored.alert_id, last_sent_at=sent_at or each.last_sent_at), now)


def _began(condition: Condition) -> object:
    return since(condition.since) if condition.since else ""
