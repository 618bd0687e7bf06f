"""Somebody has an incident: recorded and announced; reported again when its time is over and the incident is not.

Called by the verb `ack` and, for what ends by itself, by delivery. What it holds back (reminders, questions to people)
asks `monitoring.store.people.acknowledgements`.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from monitoring.alerts.message.lines import with_remedy
from monitoring.alerts.message.model import Alert, Severity
from monitoring.alerts.message.sanitize import clean_line
from monitoring.alerts.message.text import line
from monitoring.alerts.recording.incident import thread_of, with_incident
from monitoring.alerts.recording.store_alert import AlertKind, store_in
from monitoring.base.formatting import format_instant
from monitoring.base.secrets.redact import redact
from monitoring.conditions.condition import Condition
from monitoring.conditions.silence import FROM_CHAT
from monitoring.store.db.database import Tx
from monitoring.store.people import acknowledgements
from monitoring.store.people.acknowledgements import Acknowledgement
from monitoring.store.tables import conditions

_LASTS_CRITICAL = timedelta(hours=4)


def lasts(condition: Condition) -> timedelta:
    """Return how long somebody may have an incident before it is reported again."""
    worst = max(condition.worst, condition.severity)
    return _LASTS_CRITICAL if worst is Severity.CRITICAL else acknowledgements.LONGEST_ACKNOWLEDGED


def acknowledge_in(
    tx: Tx, condition: Condition, *, by: str, note: str, now: datetime, ends_at: datetime | None = None
) -> Acknowledgement:
    """Record that somebody has an incident, and say so where its alerts go; `ends_at` makes it end before its time.

    Of something CRITICAL that is had by a button everybody hears: it takes one tap on one account.
    """
    note, ends_at = clean_line(redact(note)), min(now + lasts(condition), ends_at or now + lasts(condition))
    made = acknowledgements.put(tx, condition, by=by, note=note, now=now, ends_at=ends_at)
    is_loud = note == FROM_CHAT and made.severity is Severity.CRITICAL
    _say(tx, condition, Severity.LOW, f"{by} has it: {_title(condition)}", [
        *(["By the button in the chat."] if note == FROM_CHAT else [f"Note: {note}"] if note else []),
        line("No reminders and no questions to others until it is worse, or until ", format_instant(ends_at), "."),
    ], AlertKind.ALERT, now, silent=False if is_loud else None)  # fmt: skip
    return made


def end_in(tx: Tx, condition: Condition, held: Acknowledgement, *, by: str, now: datetime) -> None:
    """Record that nobody has it any more because a person says so, and say so where its alerts go."""
    acknowledgements.end(tx, held.id, by, now)
    title = f"Nobody has it any more: {_title(condition)}"
    _say(tx, condition, Severity.LOW, title, [f"{by} ended the acknowledgement by {held.by}."], AlertKind.ALERT, now)


def settle_in(tx: Tx, now: datetime) -> int:
    """Write the ends of those that are over; return how many incidents are reported again."""
    reported = 0
    for held in acknowledgements.open_ones(tx):
        condition = conditions.get(tx, held.key)
        why = held.why_over(condition, now)
        if not why:
            continue
        acknowledgements.end(tx, held.id, why, now)
        if condition is not None and held.is_out_of_time(now) and held.why_over(condition, held.at) == "":
            _report_again(tx, condition, held, now)
            reported += 1
    return reported


def _report_again(tx: Tx, condition: Condition, held: Acknowledgement, now: datetime) -> None:
    words = f"Nobody has it now: the acknowledgement by {held.by} ({format_instant(held.at)}) is over."
    _say(tx, condition, condition.worst, f"Still: {_title(condition)}", [words], AlertKind.REMINDER, now)
    if condition.is_firing:
        conditions.put(tx, replace(condition, heard_at=now, owes_reminder=False), now)


def _say(
    tx: Tx, condition: Condition, severity: Severity, title: str, blocks: list[object], kind: AlertKind, now: datetime,
    *, silent: bool | None = None,
) -> None:  # fmt: skip
    alert = Alert(
        severity, title, *blocks, protocol=condition.protocol or condition.key.monitor, channel=condition.channel,
        key=condition.key.text, source=condition.source, threads=[thread_of(condition)], silent=silent,
    )  # fmt: skip
    alert = with_remedy(alert) if kind is AlertKind.REMINDER else alert
    store_in(
        tx, alert, now=now, kind=kind, metadata=with_incident(None, condition), of=condition,
        status=None if kind is AlertKind.REMINDER else "pending",
    )  # fmt: skip


def _title(condition: Condition) -> str:
    return condition.title or condition.key.text
