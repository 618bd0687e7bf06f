"""Rows as the JSON of the API. The names here are a contract (docs/alerts-api.md): none is ever renamed."""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime
from typing import Any

from monitoring.base.clock import to_text
from monitoring.base.exact_json import from_json
from monitoring.conditions.condition import Condition, State
from monitoring.conditions.values import Number
from monitoring.store.queries.alerts import AlertRow, PublishedAlert
from monitoring.store.queries.runs import TaskStanding
from monitoring.store.tables.runs import RunRow, TaskRun
from monitoring.web.overview import WatchedProfile

Json = dict[str, Any]
_ALERT_FIELDS = tuple(column.name for column in fields(PublishedAlert))


def alert(row: AlertRow) -> Json:
    """Publish the fields of `PublishedAlert`; the metadata as the object it is."""
    found = {name: getattr(row, name) for name in _ALERT_FIELDS}
    found["metadata"] = metadata(found.pop("metadata_json"))
    return found


def metadata(text: str | None) -> Json | None:
    """Return the stored object; what is no JSON object stays readable under a name that says so."""
    if text is None or text == "":
        return None
    try:
        value = from_json(text)
    except ValueError:
        return {"unreadable": text}
    return value if isinstance(value, dict) or value is None else {"value": value}


def run(row: RunRow) -> Json:
    return {
        "id": row.id,
        "profile": row.profile,
        "status": row.status,
        "reason": row.reason,
        "trigger": row.trigger,
        "tick_at": _at(row.tick_at),
        "started_at": to_text(row.started_at),
        "ended_at": _at(row.ended_at),
        "duration_s": duration_s(row),
        "exit_code": row.exit_code,
        "revision": row.revision,
        "held_by": row.held_by,
        "tasks_total": row.tasks_total,
    }


def duration_s(row: RunRow) -> float | None:
    """Return how long a run took; none while it goes and for a tick that did not run."""
    if row.ended_at is None or row.status in ("skipped", "missed"):
        return None
    return max(0.0, round((row.ended_at - row.started_at).total_seconds(), 3))


def task(row: TaskRun) -> Json:
    return {
        "name": row.name,
        "status": row.status,
        "reason": row.reason,
        "started_at": to_text(row.started_at),
        "ended_at": _at(row.ended_at),
        "duration_s": row.duration_s,
        "exit_code": row.exit_code,
        "signal": row.signal,
        "attempts": row.attempts,
        "cpu_s": row.cpu_s,
        "peak_rss_bytes": row.peak_rss_bytes,
        "output_bytes": row.output_bytes,
        "output_tail": row.output_tail,
    }


def standing(row: TaskStanding) -> Json:
    return {
        "name": row.name,
        "status": row.status,
        "reason": row.reason,
        "run_id": row.run_id,
        "started_at": row.started_at,
        "duration_s": row.duration_s,
        "failing_since": _at(row.failing_since),
    }


def watched(found: WatchedProfile) -> Json:
    return {
        "profile": found.profile.name,
        "cron": found.profile.cron,
        "enabled": found.profile.enabled,
        "tasks": [standing(task) for task in found.tasks],
    }


def check(row: Condition) -> Json:
    return {
        "monitor": row.key.monitor,
        "check": row.key.check,
        "chain": str(row.key.chain or ""),
        "subject": row.key.subject,
        "protocol": row.protocol,
        "channel": row.channel or row.protocol,
        "about": row.about,
        "state": row.state,
        "severity": row.severity.name if row.state is not State.OK else None,
        "value": row.value,
        "judged_at": _at(row.judged_at),
        "blind_since": _at(row.no_data.since) if row.no_data else None,
        "blind_by": row.blamed,
        "inhibited_by": row.inhibited_by or None,
    }


def incident(row: Condition, now: datetime) -> Json:
    return {
        "monitor": row.key.monitor,
        "check": row.key.check,
        "chain": str(row.key.chain or ""),
        "subject": row.key.subject,
        "state": State.FIRING if row.is_incident(now) else row.state,
        "once": row.happened_once(now),
        "severity": row.severity.name,
        "worst": row.worst.name,
        "title": row.title,
        "protocol": row.protocol,
        "channel": row.channel or row.protocol,
        "fired_at": _at(row.fired_at),
        "last_seen_at": _at(row.last_seen_at),
        "last_sent_at": _at(row.last_sent_at),
        "times": row.times,
        "alert_id": row.alert_id,
        "remind_every_s": row.remind_every.total_seconds() if row.remind_every is not None else None,
        "next_reminder_at": _at(row.next_reminder_at),
    }


def as_float(number: Number | None) -> float | None:
    """Return the nearest double, which is what readers of JSON compute with; none beyond all doubles."""
    try:
        return float(number) if number is not None else None
    except OverflowError:
        return None


def _at(instant: datetime | None) -> str | None:
    return to_text(instant) if instant is not None else None
