"""What silences held back, sent when they end: the last alert of what still fires, and all that happened once.

Called by delivery, every few seconds of a run.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from monitoring.alerts.message.lines import with_remedy
from monitoring.alerts.message.model import Alert
from monitoring.alerts.message.text import bold, line, since
from monitoring.alerts.recording.incident import with_incident
from monitoring.alerts.recording.store_alert import AlertKind, call_machines, deliver_to_people, route_of, store_in
from monitoring.conditions.condition import Condition
from monitoring.conditions.severity import Severity
from monitoring.conditions.silence import Silence, silence_of, subject_of
from monitoring.store.db.database import Tx
from monitoring.store.tables import alerts as stored_alerts
from monitoring.store.tables import conditions, silences
from monitoring.store.tables.alerts import StoredAlert

_MOST_ROWS = 30


def release_in(tx: Tx, now: datetime) -> list[int]:
    """Put into the outbox what a silence that has ended held back of incidents; return the alerts to be sent."""
    released = []
    for condition, held_back in waiting(tx, now):
        alert_id = _release(tx, condition, held_back[0], now) if len(held_back) == 1 else None
        released.append(alert_id or _release_together(tx, condition, held_back, now))
    return released


def waiting(tx: Tx, now: datetime) -> list[tuple[Condition, list[StoredAlert]]]:
    """Return what is to be released now: each condition with those of its alerts that no silence covers any more."""
    holding = silences.active(tx, now)
    held_back = [
        (condition, [each for each in found if silence_of(holding, subject_of(condition, _severity(each))) is None])
        for condition, found in _held_back(tx, now)
    ]
    return [(condition, found) for condition, found in held_back if found]


def _severity(alert: StoredAlert) -> Severity | None:
    return Severity[alert.severity] if alert.severity and alert.severity in Severity.__members__ else None


def _held_back(tx: Tx, now: datetime) -> Iterator[tuple[Condition, list[StoredAlert]]]:
    """Yield each condition with its alerts that are held back and can still be read, the oldest first."""
    for condition in conditions.silenced_and_firing(tx):
        last = stored_alerts.get(tx, condition.alert_id or 0)
        yield condition, [last] if last is not None and last.body_json is not None else []
    over = silences.ended(tx, now)
    happened = {each.key: each for each in conditions.happened_once(tx, now)}
    if over:
        first = min(each.starts_at for each in over)
        happened |= {each.key: each for each in conditions.happened_since(tx, first)}
    for condition in happened.values():
        yield condition, _of_what_happened(tx, condition, over, now)


def _of_what_happened(tx: Tx, condition: Condition, over: Sequence[Silence], now: datetime) -> list[StoredAlert]:
    """Return what is held back of its incident, and what was while one of these silences covered it."""
    mine = [each for each in over if each.is_about(subject_of(condition))]
    begun_at = condition.fired_at if condition.fired_at and condition.happened_once(now) else now
    found = stored_alerts.silenced(tx, condition.key.text, min([begun_at, *(each.starts_at for each in mine)]))
    return [
        alert for alert in found
        if alert.protocol in condition.names and alert.body_json is not None
        and (alert.created_at >= begun_at or any(each.starts_at <= alert.created_at <= each.ends_at for each in mine))
    ]  # fmt: skip


def _release(tx: Tx, condition: Condition, held_back: StoredAlert, now: datetime) -> int:
    alert = Alert.from_json(held_back.body_json or "")
    deliver_to_people(tx, held_back.id, alert, now)
    about = condition if condition.is_firing else None
    call_machines(tx, held_back.id, alert, kind=AlertKind(held_back.kind), about=about, now=now)
    stored_alerts.update_delivery_status(tx, held_back.id, "pending", None, None)
    conditions.put(tx, replace(condition, last_sent_at=now), now)
    return held_back.id


def _release_together(tx: Tx, condition: Condition, held_back: Sequence[StoredAlert], now: datetime) -> int:
    """Store one alert that names each of these; theirs say where they went."""
    alerts = [Alert.from_json(each.body_json or "") for each in held_back]
    # Lines, which a phone can wrap: a table of these would need twice its width.
    rows = [
        line(f"#{each.id} ", bold(alert.title), ", ", since(each.created_at))
        for each, alert in zip(held_back, alerts, strict=True)
    ]
    last, more = alerts[-1], len(rows) - _MOST_ROWS
    together = Alert(
        max(alert.severity for alert in alerts),
        f"{last.title}, the last of {len(rows)} alerts while it was silenced",
        *rows[:_MOST_ROWS],
        *([line(f"and {more} more; `alerts` lists them all")] if more > 0 else []),
        protocol=last.protocol, channel=last.channel, key=last.key, source=last.source, monitor=last.monitor,
        guidance=last.guidance, threads=(name for alert in alerts for name in alert.threads),
    )  # fmt: skip
    metadata = {
        "monitor": condition.key.monitor,
        "check": condition.key.check,
        "alerts": [each.id for each in held_back],
    }
    stored = store_in(tx, with_remedy(together), now=now, status="pending", metadata=with_incident(metadata, condition))
    where = f"sent in one message with others, as alert {stored.alert_id}"
    for each, alert in zip(held_back, alerts, strict=True):
        stored_alerts.add_deliveries(
            tx, each.id, alert.severity.name, ["telegram"], now, route=route_of(alert), left_out=where
        )
        stored_alerts.update_delivery_status(tx, each.id, "not_attempted", None, where)
    conditions.put(tx, replace(condition, alert_id=stored.alert_id, last_sent_at=now), now)
    return stored.alert_id
