"""Episodes of a condition: each time it fired, from its alerts. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from monitoring.alerts.recording.incident import incident_named
from monitoring.base.clock import instant_or_none
from monitoring.conditions.condition import Condition
from monitoring.store.queries.alerts import AlertRow
from monitoring.store.tables.alerts import SEVERITIES

_OPENS = ("alert", "worsened", "reminder")


@dataclass(frozen=True, slots=True)
class Episode:
    """One time in which a condition fired. No `ended_at`: it still does, or nobody wrote when it ended."""

    began_at: datetime
    ended_at: datetime | None
    worst: str
    alert_id: int
    is_current: bool = False

    @property
    def lasted(self) -> timedelta | None:
        return self.ended_at - self.began_at if self.ended_at else None


def episodes(rows: Iterable[AlertRow], condition: Condition) -> list[Episode]:
    """Return the episodes that alerts are stored of, the newest first; `rows` in any order.

    Alerts name the begin of their incident. Those of earlier releases do not: there one begins with the first alert
    after a recovery.
    """
    found: list[Episode] = []
    for row in sorted(rows, key=lambda each: each.id):
        at = instant_or_none(row.created_at)
        if at is None:
            continue
        began = _second(instant_or_none(incident_named(row.metadata_json).get("since")))
        mine = _of(found, began)
        if row.kind == "recovery":
            if mine is not None:
                found[mine] = replace(found[mine], ended_at=at)
        elif row.kind in _OPENS and row.dedupe_key:  # what people announce in its thread has no key
            if mine is None:
                found.append(Episode(began or at, None, row.severity or "", row.id))
            else:
                found[mine] = replace(found[mine], worst=_worse(found[mine].worst, row.severity or ""))
    now = _second(condition.fired_at) if condition.is_firing else None
    return [
        replace(each, is_current=each.ended_at is None and each is found[-1] and now is not None)
        for each in reversed(found)
    ]


def _of(found: Sequence[Episode], began: datetime | None) -> int | None:
    """Return which episode an alert belongs to; one that names no begin belongs to the last if that has not ended."""
    last = len(found) - 1
    if began is None:
        return last if found and found[last].ended_at is None else None
    return next((number for number in range(last, -1, -1) if _second(found[number].began_at) == began), None)


def _second(at: datetime | None) -> datetime | None:
    return at.replace(microsecond=0) if at else None


def _worse(one: str, other: str) -> str:
    return max(one, other, key=lambda name: SEVERITIES.index(name) if name in SEVERITIES else -1)
