"""Records a run of checks in one transaction: conditions, cursors, alerts, what chains are worth remembering.

Called by `runner.py` and by Python monitors. If anything else changed the same conditions meanwhile, nothing is written
and the run is judged again: what was reported would not fit what is remembered.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from monitoring.alerts.message.model import Alert, Severity
from monitoring.alerts.recording.close_orphaned import NO_ROW, end_in
from monitoring.alerts.recording.reminders import remind_in
from monitoring.alerts.recording.store_alert import (
    AlertKind,
    AlertOrigin,
    ConditionAlert,
    DueReminder,
    record_message_in,
)
from monitoring.base.errors import MonitoringError
from monitoring.chains.rpc.memory import JUDGED, JUDGED_FOR
from monitoring.checks.engine.evaluation import EvaluatedCheck
from monitoring.checks.messages.alert import ComposedAlert
from monitoring.checks.messages.plain import HEADS
from monitoring.checks.state.load import LoadedState
from monitoring.conditions.condition import Condition, Owner, State
from monitoring.conditions.outcome import Reason
from monitoring.conditions.ownership import why_not
from monitoring.store.db.database import Tx
from monitoring.store.people import pauses
from monitoring.store.readings import dropping
from monitoring.store.readings.dropping import DroppedReadings
from monitoring.store.readings.reading import CheckReading
from monitoring.store.tables import chain_memory, first_day, no_data_periods
from monitoring.store.tables import conditions as stored

_UNSEEN = (Reason.UNKNOWN, Reason.SILENT_SOURCE, Reason.PAUSED)


class ChangedMeanwhileError(MonitoringError):
    """Another process judged the same conditions between reading and recording."""


@dataclass(frozen=True, slots=True)
class JudgedPart:
    """A part's outcome with the alert it makes, if any.

    `declared`: a monitor file's, whose end is the condition's. `blamed`: the source it is blind by, as it is reported.
    """

    seen: EvaluatedCheck
    composed: ComposedAlert | None
    value: str = ""
    declared: bool = False
    blamed: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """All that one run writes.

    `gone` are conditions whose check is in no file any more, `left` those whose row is not in its list any more. `held`
    counts of each chain the ranges of logs by how far they are complete, and the logs that a host left out. `readings`
    are kept where nothing keeps them from it; `dropped` says what did.
    """

    entries: Sequence[JudgedPart]
    before: LoadedState
    memory: Mapping[tuple[str, str], str]
    judged_blocks: Mapping[int, int]
    gone: Sequence[Condition] = ()
    held: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    left: Sequence[Condition] = ()
    readings: Sequence[CheckReading] = ()
    dropped: DroppedReadings | None = None


def record_in(tx: Tx, record: Record, now: datetime, origin: AlertOrigin, also_due: Sequence[DueReminder] = ()) -> int:
    """Write everything; return how many alerts were stored. `also_due` are reminders of other conditions of the run.

    Raises:
        ChangedMeanwhileError: nothing may be kept of this transaction.
    """
    written, due = 0, list(also_due)
    for entry in record.entries:
        recorded = _entry(tx, entry, record.before, now, origin)
        due += [recorded] if isinstance(recorded, DueReminder) else []
        written += recorded is True
    written += remind_in(tx, due, now, origin)
    written += sum(end_in(tx, row.key, now, origin) for row in record.gone)
    written += sum(end_in(tx, row.key, now, origin, NO_ROW) for row in record.left)
    _spells(tx, record, now)
    _count_paused(tx, record)
    for (kind, key), value in record.memory.items():
        chain_memory.put(tx, kind, key, value, now)
    for name, numbers in record.held.items():
        chain_memory.count(tx, chain_memory.HELD, name, numbers, now)
    for chain, block in record.judged_blocks.items():
        chain_memory.advance(tx, JUDGED, str(chain), block, now, now - JUDGED_FOR)
    _keep_readings(tx, record, now)
    return written


def _keep_readings(tx: Tx, record: Record, now: datetime) -> None:
    """Write the readings last: what keeps them from being written keeps nothing else from it."""
    if record.dropped is not None:
        dropping.count(tx, record.dropped, now)
    else:
        gone = [row.key for row in (*record.gone, *record.left)]
        dropping.record_or_drop_in(tx, record.readings, gone, now)


def _entry(tx: Tx, entry: JudgedPart, before: LoadedState, now: datetime, origin: AlertOrigin) -> DueReminder | bool:
    """Write one condition with its alert; return whether there was one, or the reminder that is due."""
    read, current = before.conditions.get(entry.seen.key), stored.get(tx, entry.seen.key)
    if _judgement(read) != _judgement(current):
        raise ChangedMeanwhileError
    current, composed = current or Condition(entry.seen.key), entry.composed
    if why_not(current, Owner.JUDGED, origin.task):
        return False  # it is reported as the check's crash; the row is another rule's
    condition = _shown(entry, current, now, origin)
    if composed is None:
        if current.state is State.PENDING and condition.state is State.OK:
            first_day.let_go(tx, str(condition.key))
        stored.put(tx, condition, now)
        return False
    if _waits_for_second_day(tx, entry, composed.alert, current, now):
        first_day.hold(tx, str(condition.key), _in_words(composed.alert), now)
        stored.put(tx, _pending(condition, current), now)
        return False
    message = ConditionAlert(composed.alert, composed.kind, composed.metadata)
    if composed.kind is AlertKind.REMINDER:
        stored.put(tx, condition, now)
        return DueReminder(condition.key, message, condition.heard_at)
    record_message_in(tx, condition, message, now=now, origin=origin, was_firing=current.is_firing)
    return True


def _waits_for_second_day(tx: Tx, entry: JudgedPart, alert: Alert, current: Condition, now: datetime) -> bool:
    """Return whether this is the first report of a finding about the host's own set-up, on its first day.

    What is CRITICAL never waits: on a full disk nothing works.
    """
    is_first = not current.is_firing and entry.seen.outcome.condition.is_firing
    is_of_setup = getattr(entry.seen.part, "of_setup", False) and alert.severity < Severity.CRITICAL
    return is_first and is_of_setup and first_day.ends_at(tx, now) is not None


def _pending(condition: Condition, current: Condition) -> Condition:
    """Return the condition as if it had not held long enough: the first run after the day reports it."""
    return replace(
        condition, state=State.PENDING, since=current.since or condition.since, fired_at=None, heard_at=None,
        last_sent_at=None, rank=-1, worst=condition.severity, worst_measure=None,
    )  # fmt: skip


def _in_words(alert: Alert) -> str:
    return f"{alert.severity.name} {alert.monitor or alert.protocol}: {alert.title}"


def _judgement(row: Condition | None) -> tuple[object, ...] | None:
    """Return what no other process may have changed since it was read."""
    if row is None:
        return None
    rules = row.state, row.judged_at, row.rank, row.worst_measure, row.held, row.heard_at, row.no_data, row.memory
    # Somebody may have said meanwhile that what happened once is done with.
    return *rules, row.clear_since, row.done_by


def _shown(entry: JudgedPart, current: Condition, now: datetime, origin: AlertOrigin) -> Condition:
    """Return the condition as the rules left it, with what people are shown of it and whose it is."""
    seen, composed = entry.seen, entry.composed
    condition, route, unseen = seen.outcome.condition, seen.part.route, seen.outcome.reason in _UNSEEN
    is_news = composed is not None and (not current.is_firing or condition.is_firing)
    return replace(
        condition,
        title=_title(composed.alert) if composed is not None and is_news else current.title,
        last_sent_at=_later(current.last_sent_at, condition.last_sent_at),
        alert_id=current.alert_id,
        protocol=route.protocol,
        channel=route.channel,
        source=getattr(seen.part, "source", "protocol"),
        about=seen.part.about,
        value=current.value if unseen else entry.value,
        judged_at=current.judged_at if unseen else now,
        no_data=replace(condition.no_data, reported_as=entry.blamed) if condition.no_data else None,
        declared=entry.declared,
        owner=Owner.JUDGED,
        owner_task=origin.task or "",
    )


def _title(alert: Alert) -> str:
    for head in HEADS.values():
        if alert.title.startswith(head):
            return alert.title.removeprefix(head)
    return alert.title


def _later(stored_at: datetime | None, judged_at: datetime | None) -> datetime | None:
    """Return when people heard of it last: a silence that ended may have released the alert meanwhile."""
    return max(stored_at, judged_at) if stored_at and judged_at else judged_at


def _count_paused(tx: Tx, record: Record) -> None:
    """Count the readings that a pause held back."""
    keys = [entry.seen.key for entry in record.entries if entry.seen.outcome.reason is Reason.PAUSED]
    found = Counter(pause.id for key in keys if (pause := record.before.paused_by(key)))
    for pause_id, number in found.items():
        pauses.count(tx, pause_id, number)


def _spells(tx: Tx, record: Record, now: datetime) -> None:
    """Keep since when checks that see again were blind, one row a source."""
    ended: dict[str, list[datetime]] = {}
    for entry in record.entries:
        was = record.before.conditions.get(entry.seen.key)
        if was is not None and was.no_data is not None and entry.seen.outcome.condition.no_data is None:
            ended.setdefault(was.blamed, []).append(was.no_data.since)
    for source, begun in ended.items():
        no_data_periods.insert(tx, source, min(begun), now, len(begun))
