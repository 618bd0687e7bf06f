"""Reminders that are due in one run, folded: one message for a monitor and its chat, however many conditions go on.

Called when a run is recorded, for what its checks judged and for what its scripts raised by `m.alert(key=…)` alike.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from monitoring.alerts.message.model import Alert
from monitoring.alerts.message.text import Line, bold, line, since
from monitoring.alerts.recording.incident import thread_of, with_incidents
from monitoring.alerts.recording.store_alert import (
    AlertKind,
    AlertOrigin,
    DueReminder,
    record_message_in,
    store_in,
    subject_in,
)
from monitoring.conditions.condition import Condition
from monitoring.conditions.silence import silence_of
from monitoring.store.db.database import Tx
from monitoring.store.people import acknowledgements
from monitoring.store.tables import conditions, silences

_MOST_ROWS = 30


def remind_in(tx: Tx, due: Sequence[DueReminder], now: datetime, origin: AlertOrigin) -> int:
    """Store the reminders of one run; return how many messages they make.

    What is over meanwhile, was reported in another way, or is acknowledged, is not repeated.
    """
    holding = silences.active(tx, now)
    by_chat: dict[tuple[object, ...], list[tuple[DueReminder, Condition]]] = defaultdict(list)
    for each in due:
        row = conditions.get(tx, each.key)
        if row is None or not row.is_firing or row.heard_at != each.heard_at:
            continue
        alert, reminded = each.message.alert, replace(row, heard_at=now, owes_reminder=False)
        if (has_it := acknowledgements.of(tx, row, now)) is not None:
            acknowledgements.count_one(tx, has_it.id)
            conditions.put(tx, reminded, now)
            continue
        held_back = silence_of(holding, subject_in(alert, each.key.text, row)) is not None
        by_chat[alert.protocol, alert.channel, alert.source, held_back and each.key].append((each, reminded))
    for group in by_chat.values():
        if len(group) > 1:
            _store_folded(tx, [row for _, row in group], now, origin)
        else:
            ((each, row),) = group
            record_message_in(tx, row, each.message, now=now, origin=origin, was_firing=True)
    return len(by_chat)


def _store_folded(tx: Tx, found: Sequence[Condition], now: datetime, origin: AlertOrigin) -> None:
    """Store one reminder of several conditions of one chat, and what they now know of it."""
    worst_first = sorted(found, key=lambda each: (-each.worst, each.fired_at or now))
    rows = [_row(each) for each in worst_first[:_MOST_ROWS]]
    more = len(found) - len(rows)
    protocol, channel = found[0].protocol, found[0].channel
    alert = Alert(
        worst_first[0].worst,
        f"{len(found)} conditions of {protocol} are still firing",
        *rows,
        *([line(f"and {more} more; `incidents` lists them all")] if more else []),
        protocol=protocol, channel=channel, source=found[0].source,
        threads=(thread_of(each) for each in worst_first),
    )  # fmt: skip
    checks = [each.key.text for each in found]
    metadata = with_incidents(
        {"monitor": found[0].key.monitor, "transition": "reminder", "checks": checks}, worst_first
    )
    stored = store_in(tx, alert, now=now, origin=origin, kind=AlertKind.REMINDER, metadata=metadata)
    sent_at = None if stored.status == "skipped_debug" else now
    for each in found:
        conditions.put(tx, replace(each, alert_id=stored.alert_id, last_sent_at=sent_at or each.last_sent_at), now)


def _row(condition: Condition) -> Line:
    """Return a line that a phone can wrap: the columns of a table would need twice its width."""
    began = (", since ", since(condition.since)) if condition.since else ()
    severity = condition.worst
    return line(f"{severity.emoji} {severity.name} ", bold(condition.title or condition.key.text), *began)
