"""Records a run of checks in one transaction: conditions, cursors, alerts, what chains are worth remembering.

Called by `runner.py` and by Python monitors. If anything else changed the same conditions meanwhile, nothing is written
and the run is judged again: what was told would not fit what is remembered.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from monitoring.alerts.conditions.close_orphaned import end_in
from monitoring.alerts.conditions.store_alert import AlertOrigin, store_in
from monitoring.alerts.message.model import Alert, Severity
from monitoring.base.errors import MonitoringError
from monitoring.chains.rpc.memory import JUDGED, JUDGED_FOR
from monitoring.checks.engine.evaluation import EvaluatedCheck
from monitoring.checks.engine.plan import Key
from monitoring.checks.messages.alert import Telling
from monitoring.checks.messages.plain import HEADS
from monitoring.checks.rules.condition import Condition, Reason, State
from monitoring.checks.state.load import LoadedState, row_key
from monitoring.checks.state.row import to_row
from monitoring.store.db.database import Tx
from monitoring.store.tables import chain_memory, no_data_periods
from monitoring.store.tables import conditions as stored

_UNSEEN = (Reason.UNKNOWN, Reason.SILENT_SOURCE)


class ChangedMeanwhileError(MonitoringError):
    """Somebody else judged the same conditions between reading and recording."""


@dataclass(frozen=True, slots=True)
class JudgedPart:
    """A part's outcome with the alert it makes, if any.

    `declared`: a monitor file's, whose end is the condition's. `blamed`: the source it is blind by, as it is reported.
    """

    seen: EvaluatedCheck
    telling: Telling | None
    value: str = ""
    declared: bool = False
    blamed: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """All that one run writes. `gone` are conditions whose check stands in no file any more."""

    entries: Sequence[JudgedPart]
    before: LoadedState
    memory: Mapping[tuple[str, str], str]
    judged_blocks: Mapping[int, int]
    gone: Sequence[stored.Condition] = ()


def record_in(tx: Tx, record: Record, now: datetime, origin: AlertOrigin) -> int:
    """Write everything; return how many alerts were stored.

    Raises:
        ChangedMeanwhileError: nothing may be kept of this transaction.
    """
    written = sum(_entry(tx, entry, record.before, now, origin) for entry in record.entries)
    written += sum(end_in(tx, row.key, now, origin) for row in record.gone)
    _spells(tx, record, now)
    for (kind, key), value in record.memory.items():
        chain_memory.put(tx, kind, key, value, now)
    for chain, block in record.judged_blocks.items():
        chain_memory.advance(tx, JUDGED, str(chain), block, now, now - JUDGED_FOR)
    return written


def _entry(tx: Tx, entry: JudgedPart, before: LoadedState, now: datetime, origin: AlertOrigin) -> int:
    key = row_key(entry.seen.key)
    read, current = before.rows.get(entry.seen.key), stored.get(tx, key)
    if _judgement(read) != _judgement(current):
        raise ChangedMeanwhileError
    row, telling = _row(entry, current or stored.Condition(key), now), entry.telling
    if telling is None:
        stored.put(tx, row, now)
        return 0
    lasting = row.state == "firing" or (current is not None and current.state == "firing")
    kept = store_in(
        tx, telling.alert, now=now, origin=origin, kind=telling.kind, about=row if lasting else None,
        metadata=telling.metadata,
    )  # fmt: skip
    heard = kept.status not in ("silenced", "skipped_debug")
    sent_at = now if heard else current.last_sent_at if current else None
    stored.put(tx, replace(row, alert_id=kept.alert_id, last_sent_at=sent_at), now)
    return 1


def _judgement(row: stored.Condition | None) -> tuple[object, ...] | None:
    return (row.state, row.data_json, row.judged_at) if row else None


def _row(entry: JudgedPart, before: stored.Condition, now: datetime) -> stored.Condition:
    """Return the row of a condition as the verb left it; see the table's comments for what each column means."""
    seen, condition = entry.seen, entry.seen.outcome.condition
    columns, firing, was_firing = to_row(condition), condition.state is State.FIRING, before.state == "firing"
    unseen = seen.outcome.reason in _UNSEEN
    severity = condition.severity.name if condition.severity is not None else before.severity
    bad = condition.state is not State.OK and not unseen
    times = before.times if before.state != "ok" else 0
    telling, blind, route = entry.telling, condition.blind, seen.part.route
    return replace(
        before,
        state=condition.state.value,
        severity=severity,
        worst=_worst(before, severity) if was_firing else severity,
        title=_title(telling.alert) if telling and (firing or not was_firing) else before.title,
        since=condition.since,
        fired_at=(before.fired_at if was_firing else now) if firing else before.fired_at,
        last_seen_at=now if bad else before.last_seen_at,
        last_sent_at=_later(before.last_sent_at, condition),
        clear_since=None,
        times=0 if condition.state is State.OK else times + bad,
        protocol=route.protocol,
        channel=route.channel,
        source=getattr(seen.part, "source", "protocol"),
        data_json=columns.data,
        about=seen.part.about,
        value=before.value if unseen else entry.value,
        judged_at=before.judged_at if unseen else now,
        blind_since=blind.since if blind else None,
        blind_by=(entry.blamed or blame(seen.key, condition)) if blind else "",
        blind_why=blind.reason if blind else "",
        declared=entry.declared,
    )


def blame(key: Key, condition: Condition) -> str:
    """Return the source that blinds a condition; where none is to blame, the check itself."""
    if condition.blind is None:
        return ""
    return condition.blind.source or f"{key.monitor}/{row_key(key).text}"


def _worst(before: stored.Condition, severity: str) -> str:
    return max(Severity[before.worst], Severity[severity]).name


def _title(alert: Alert) -> str:
    for head in HEADS.values():
        if alert.title.startswith(head):
            return alert.title.removeprefix(head)
    return alert.title


def _later(kept: datetime | None, condition: Condition) -> datetime | None:
    """Return when people heard of it last: a silence that ended may have released the alert meanwhile."""
    return max((at for at in (kept, condition.last_sent) if at), default=None)


def _spells(tx: Tx, record: Record, now: datetime) -> None:
    """Keep since when checks that see again were blind, one row a source."""
    ended: dict[str, list[datetime]] = {}
    for key in _seeing_again(record.entries, record.before.rows):
        row = record.before.rows[key]
        if row.blind_since is not None:
            ended.setdefault(row.blind_by, []).append(row.blind_since)
    for source, begun in ended.items():
        no_data_periods.insert(tx, source, min(begun), now, len(begun))


def _seeing_again(entries: Iterable[JudgedPart], rows: Mapping[Key, stored.Condition]) -> Iterable[Key]:
    seeing = [entry.seen.key for entry in entries if entry.seen.outcome.condition.blind is None]
    return [key for key in seeing if key in rows]
