"""The only two ways in which an alert ends undelivered: a person drops it, or it has waited for too long.

Called by the delivery loop and by the verb `deliver`. Both are announced and stay countable: status `failed`, with who
and why in the error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from monitoring.alerts.conditions.store_alert import AlertOrigin, store_in
from monitoring.alerts.delivery.routing import OPERATIONAL_SOURCES
from monitoring.alerts.message.model import Alert, Severity
from monitoring.base.errors import UsageError
from monitoring.base.plural import counted
from monitoring.store.db.database import Tx
from monitoring.store.tables import alerts as stored_alerts
from monitoring.store.tables import deliveries, rate_limits
from monitoring.store.tables.alerts import StoredAlert

LONGEST = timedelta(days=7)
LONGEST_CRITICAL = timedelta(days=30)
# Looks at the clock count when they are this far apart. A pause longer by half as much than the shorter of the two
# before it is a host that was down, or a clock that was stepped.
_APART = timedelta(hours=1)
_SETTLED_AFTER = timedelta(days=1)
_CLOCK = "clock"  # the lane that keeps since when time is in doubt and the last three looks; as failures the seconds
_KEPT = 4
_MOST_AT_ONCE, _MOST_NAMED = 500, 10


def give_up_old(tx: Tx, now: datetime, origin: AlertOrigin) -> int:
    """End what has waited for longer than anybody can be expected to want it; return how many deliveries.

    What a clock that is ahead seems to have let pass is no waiting: one that is a year ahead for a single run, or a day
    for three hours, must not end what waits.
    """
    believed = now - _in_doubt(tx, now)
    count, ended = 0, []
    for before, rank_below, waited in (
        (believed - LONGEST, Severity.CRITICAL, f"{LONGEST.days} days"),
        (believed - LONGEST_CRITICAL, Severity.CRITICAL + 1, f"{LONGEST_CRITICAL.days} days"),
    ):
        for delivery_id in deliveries.waiting_since_before(tx, before, now, rank_below=rank_below, limit=_MOST_AT_ONCE):
            alert_id = deliveries.give_up(tx, delivery_id, f"given up after {waited} of waiting")
            count += alert_id is not None
            ended += [alert_id] if alert_id is not None else []
    deliveries.refresh_alerts(tx, ended)
    found = [alert for alert_id in dict.fromkeys(ended) if (alert := stored_alerts.get(tx, alert_id)) is not None]
    if any(alert.source not in OPERATIONAL_SOURCES for alert in found):
        store_in(tx, _given_up(found), now=now, origin=origin)
    return count


def drop(tx: Tx, alert_ids: Sequence[int], *, who: str, reason: str, now: datetime) -> int:
    """End what waits of these alerts by a person's word, all of them or none; return how many deliveries.

    Raises:
        UsageError: one of them does not exist, or nothing of it waits.
    """
    waiting = {alert_id: deliveries.open_of_alert(tx, alert_id) for alert_id in alert_ids}
    for alert_id, open_ids in waiting.items():
        stored = stored_alerts.get(tx, alert_id)
        if stored is None:
            raise UsageError(f"there is no alert {alert_id}: `alerts` lists them")
        if not open_ids:
            raise UsageError(f"nothing of alert {alert_id} waits: its delivery status is {stored.delivery_status}")
    for delivery_id in (each for open_ids in waiting.values() for each in open_ids):
        deliveries.give_up(tx, delivery_id, f"dropped by {who}: {reason}")
    deliveries.refresh_alerts(tx, waiting)
    found = [alert for alert_id in waiting if (alert := stored_alerts.get(tx, alert_id)) is not None]
    store_in(tx, _dropped(found, who, reason), now=now)
    return sum(len(open_ids) for open_ids in waiting.values())


def _in_doubt(tx: Tx, now: datetime) -> timedelta:
    """Note that time was looked at; return how much of what seems to have passed may be a step of the clock.

    A pause counts for a day, then the clock is believed. Where the last looks lie ahead nothing is known of the time
    before: then all of it is in doubt.
    """
    lane, at, apart_s = rate_limits.get(tx, _CLOCK, now), now.timestamp(), _APART.total_seconds()
    if len(lane.sent) == _KEPT:
        doubted_at, *looks = lane.sent
        pause_s, usual_s = at - looks[-1], max(apart_s, min(looks[1] - looks[0], looks[2] - looks[1]))
        is_step = pause_s > usual_s + apart_s / 2
        is_settled = (looks[-1] if is_step else at) - doubted_at >= _SETTLED_AFTER.total_seconds()
        doubt_s = 0 if is_settled else lane.failures
        if pause_s < apart_s:
            return timedelta(seconds=doubt_s)
        if is_step:
            doubt_s, doubted_at = doubt_s + int(pause_s), at
    else:
        is_new = not lane.sent and not lane.failures
        doubt_s, doubted_at, looks = 0 if is_new else int(LONGEST_CRITICAL.total_seconds()), at, [at] * 3
    rate_limits.put(tx, replace(lane, failures=doubt_s, sent=(doubted_at, *looks[1:], at)))
    return timedelta(seconds=doubt_s)


def _given_up(found: Sequence[StoredAlert]) -> Alert:
    worst = max(Severity.__members__.get(alert.severity or "", Severity.MEDIUM) for alert in found)
    return Alert(
        max(worst, Severity.MEDIUM),
        f"{counted(len(found), 'alert')} given up undelivered",
        f"Waited for {LONGEST.days} days (CRITICAL: {LONGEST_CRITICAL.days} days):",
        *_names(found),
        protocol="automation",
        source="ops_error",
    )


def _dropped(found: Sequence[StoredAlert], who: str, reason: str) -> Alert:
    return Alert(
        Severity.LOW,
        f"{counted(len(found), 'alert')} dropped by {who}, undelivered",
        f"Reason: {reason}",
        *_names(found),
        protocol="automation",
        source="ops_error",
    )


def _names(found: Sequence[StoredAlert]) -> list[str]:
    more = len(found) - _MOST_NAMED
    shown = [
        f"#{alert.id} {alert.severity or ''} {alert.protocol}: {alert.title or alert.message.partition(chr(10))[0]}"
        for alert in found[:_MOST_NAMED]
    ]
    return [*shown, *([f"and {more} more"] if more > 0 else [])]
