"""`explain`: what each check of a file sees now, and what it would say; nothing is stored, nothing is sent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING

from monitoring.alerts.message.guidance import NO_GUIDANCE
from monitoring.alerts.message.lines import reminder_words
from monitoring.alerts.message.render import render_plain
from monitoring.alerts.recording.store_alert import NOBODY
from monitoring.base.clock import to_text
from monitoring.base.errors import StoreError
from monitoring.base.formatting import format_duration, format_instant
from monitoring.checks.engine.evaluate import evaluate
from monitoring.checks.engine.listing import lines_of
from monitoring.checks.engine.monitor import EvaluatedMonitor
from monitoring.checks.engine.point import EvaluationPoint
from monitoring.checks.engine.runner import recalled, say
from monitoring.checks.messages.listing_value import bound_in_words
from monitoring.checks.state.load import NOTHING
from monitoring.checks.state.save import JudgedPart
from monitoring.conditions.condition import Condition, ConditionKey
from monitoring.store.db.handle import ReadOnlyStore

if TYPE_CHECKING:
    from monitoring.store.db.database import Database
    from monitoring.store.readings.against_limit import Measured


def explain(
    monitors: Sequence[EvaluatedMonitor], at: EvaluationPoint, store: ReadOnlyStore, check: str | None = None
) -> tuple[list[JudgedPart], bool]:
    """Evaluate, without a database as at first sight; also return whether a check has a bug.

    `check` keeps one: its id, or `monitor/id`.
    """
    try:
        remembered = recalled(monitors, at, store, NOBODY)
    except StoreError as error:
        say(at, f"as at first sight: {error}")
        remembered = NOTHING
    evaluation = evaluate(monitors, at, remembered)
    for trace in evaluation.traces:
        say(at, trace.rstrip())
    found = [entry for entry in evaluation.checks if check is None or check in _names(entry)]
    return found, bool(evaluation.traces)


def _names(entry: JudgedPart) -> set[str]:
    key = entry.seen.key
    names = {key.check, key.text, "/".join(part for part in (key.check, key.subject) if part)}
    return names | {f"{key.monitor}/{name}" for name in names}


def last_readings(found: Iterable[Condition], store: ReadOnlyStore) -> dict[ConditionKey, Measured]:
    """Return what runs read last of each condition; nothing where there is no database or it cannot be read."""
    from monitoring.store.readings.against_limit import last_measured  # noqa: PLC0415 - a run imports this module too

    rows = list(found)

    def read(database: Database) -> dict[ConditionKey, Measured]:
        with database.snapshot() as tx:
            seen = [(row.key, last_measured(tx, row)) for row in rows]
        return {key: measured for key, measured in seen if measured is not None}

    try:
        return store.read(read)
    except StoreError:
        return {}


def last_line(last: Measured | None, now: datetime) -> str:
    """Return what the last run read, nothing if it had no value."""
    if last is None or last.at is None or not last.words:
        return ""
    return f"last run ({format_instant(last.at)}, {format_duration(now - last.at)} ago): {last.words}"


def as_lines(
    entries: Sequence[JudgedPart], now: datetime, last: Mapping[ConditionKey, Measured] = MappingProxyType({})
) -> list[str]:
    """Return one line a check, under it what to do about it, what would be sent now and when it is repeated."""
    lines: list[str] = []
    shown = NO_GUIDANCE
    rows = lines_of([entry.seen for entry in entries], is_for_people=True)
    for entry, line in zip(entries, rows, strict=True):
        lines += line.split("\n")
        lines += [f"    {text}"] if (text := last_line(last.get(entry.seen.key), now)) else []
        lines += [f"    starts from {first}"] if (first := entry.seen.first) is not None else []
        if (guidance := entry.seen.part.route.guidance) != shown:  # once for all checks in a row that share it
            shown = guidance
            lines += [f"    {text}" for text in guidance.texts]
        if entry.composed is not None:
            alert = entry.composed.alert
            lines += [f"    {alert.severity.name} to {alert.channel or alert.protocol}:"]
            lines += [f"    | {text}" for text in render_plain(alert, now=entry.composed.at).split("\n")]
        condition = entry.seen.outcome.condition
        if condition.is_firing:
            words = reminder_words(condition.remind_every, condition.next_reminder_at, now)
            lines += [f"    {words}"] if words else []
    return lines


def as_data(
    entries: Sequence[JudgedPart], last: Mapping[ConditionKey, Measured] = MappingProxyType({})
) -> list[dict[str, object]]:
    """Return what `--json` prints."""
    found = [(entry, last.get(entry.seen.key)) for entry in entries]
    return [{**_data(entry), "last_reading": seen.as_json() if seen else None} for entry, seen in found]


def _data(entry: JudgedPart) -> dict[str, object]:
    seen, key, condition = entry.seen, entry.seen.key, entry.seen.outcome.condition
    blind, composed = condition.no_data, entry.composed
    said = None
    if composed is not None:
        text = render_plain(composed.alert, now=composed.at)
        said = {"severity": composed.alert.severity.name, "kind": composed.kind.value, "text": text}
    return {
        "monitor": key.monitor, "check": key.check, "chain": key.chain or None, "subject": key.subject,
        "about": seen.part.about, "value": entry.value, "bound": bound_in_words(seen.part),
        "state": condition.state.value, "reason": seen.outcome.reason.value,
        "since": to_text(condition.since) if condition.since else None,
        "blind_since": to_text(blind.since) if blind else None,
        "inhibited_by": condition.inhibited_by or None,
        "remind_every_s": condition.remind_every.total_seconds() if condition.remind_every is not None else None,
        "next_reminder_at": to_text(condition.next_reminder_at) if condition.next_reminder_at else None,
        "runbook": seen.part.route.guidance.runbook, "note": seen.part.route.guidance.note,
        "starts_from": str(seen.first) if seen.first is not None else None, "would_say": said,
    }  # fmt: skip
