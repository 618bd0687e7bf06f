"""`logs`: which chain events are new? A cursor that only moves forward, ids within a margin, reorganisations."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from monitoring.alerts.message.model import Severity
from monitoring.chains.abi.values import Unknown
from monitoring.checks.expression.values import Absent, Json
from monitoring.checks.rules.readings import SEED, FirstRun, LogBatch, LogEvent, kept_rows
from monitoring.checks.rules.steps import either
from monitoring.conditions.condition import Condition
from monitoring.conditions.outcome import Entry, Outcome, Reason
from monitoring.conditions.policy import Policy
from monitoring.conditions.transition import apply_verdict, happened, no_data, unchanged


@dataclass(frozen=True, slots=True, kw_only=True)
class LogsPolicy(Policy):
    """`margin` blocks before the cursor are read again each time; if a reported event is gone, that is reported."""

    margin: int = 64  # Ethereum finalises after two epochs of 32 slots
    first_run: FirstRun = SEED


@dataclass(frozen=True, slots=True)
class _SeenLog:
    block: int
    tx: str
    reported: bool
    severity: Severity


def read_from(condition: Condition, policy: LogsPolicy) -> int | None:
    """Return the first block the next batch must hold, None at first sight."""
    cursor = _cursor(condition)
    return None if cursor is None else max(0, cursor - policy.margin)


def judge(before: Condition, reading: LogBatch | Unknown | Absent, now: datetime, policy: LogsPolicy) -> Outcome:
    """Report events never seen, and reported events that a reorganisation removed.

    1. A batch that leaves a gap behind the cursor, or ends before it, is unknown: the cursor stays. A gap that is known
       to be one for good is passed.
    2. An event that moved to another block with its transaction is not new.
    3. Events further back than the margin were judged before and are left alone.
    """
    if isinstance(reading, Absent):
        return apply_verdict(before, reading, now, policy)
    cursor = _cursor(before)
    batch = reading if isinstance(reading, Unknown) else _whole(reading, cursor)
    if isinstance(batch, Unknown):
        return no_data(before, batch, now, policy)
    seen = {key: _read(row) for key, row in (kept_rows(before, "seen") or {}).items()}
    floor = batch.from_block if cursor is None else max(batch.from_block, cursor - policy.margin)
    present = {event.id: event for event in batch.events if floor <= event.block <= batch.to_block}
    lost = {key: one for key, one in seen.items() if floor <= one.block <= batch.to_block and key not in present}
    fresh, gone, moved = _unmoved({key: present[key] for key in present.keys() - seen.keys()}, lost)
    reported = {key for key, event in fresh.items() if cursor is not None or policy.first_run.reports(event.at, now)}
    entries = _entries({key: fresh[key] for key in reported}, gone, policy)
    outcome = unchanged(before, now)
    if entries:
        outcome = happened(before, now, max(each.severity for each in entries), entries=entries)
    if cursor is None and not entries:
        outcome = replace(outcome, reason=Reason.SEEDED)
    kept = {key: one for key, one in seen.items() if key not in lost} | moved
    kept |= {
        key: _SeenLog(e.block, e.tx, key in reported, either(e.severity, policy.severity)) for key, e in fresh.items()
    }
    return outcome.remembering(_write(kept, batch.to_block + 1, policy))


def _cursor(condition: Condition) -> int | None:
    kept = condition.memory.get("next")
    return None if kept is None else int(str(kept))


def _whole(batch: LogBatch, cursor: int | None) -> LogBatch | Unknown:
    if cursor is None:
        return batch
    if batch.from_block > cursor and not batch.gap:
        return Unknown(f"blocks {cursor} to {batch.from_block - 1} were not read")
    if batch.to_block + 1 < cursor:
        return Unknown(f"the head {batch.to_block} lies behind block {cursor - 1}, which was judged already")
    return batch


def _read(row: list[Json]) -> _SeenLog:
    block, tx, reported, severity = row
    return _SeenLog(int(str(block)), str(tx), bool(reported), Severity[str(severity)])


def _write(seen: dict[str, _SeenLog], cursor: int, policy: LogsPolicy) -> dict[str, Json]:
    rows: dict[str, Json] = {
        key: [one.block, one.tx, one.reported, one.severity.name]
        for key, one in sorted(seen.items())
        if one.block >= cursor - policy.margin
    }
    return {"next": cursor, "seen": rows}


def _unmoved(
    fresh: dict[str, LogEvent], lost: dict[str, _SeenLog]
) -> tuple[dict[str, LogEvent], dict[str, _SeenLog], dict[str, _SeenLog]]:
    """Pair lost events with fresh ones of the same transaction: those were mined again, and are neither."""
    rest, gone, moved = dict(fresh), {}, {}
    for key, one in sorted(lost.items()):
        again = min((event for event in rest.values() if event.tx == one.tx), key=lambda e: e.index, default=None)
        if again is None:
            gone[key] = one
        else:
            moved[again.id] = replace(one, block=again.block)
            del rest[again.id]
    return rest, gone, moved


def _entries(reported: dict[str, LogEvent], gone: dict[str, _SeenLog], policy: LogsPolicy) -> tuple[Entry, ...]:
    events = sorted(reported.values(), key=lambda event: (event.block, event.index, event.id))
    entries = [Entry("new", event.id, either(event.severity, policy.severity), event.facts) for event in events]
    entries += [
        Entry("reorganised away", key, one.severity, {"tx": one.tx, "block": one.block})
        for key, one in sorted(gone.items(), key=lambda pair: (pair[1].block, pair[0]))
        if one.reported
    ]
    return tuple(entries)
