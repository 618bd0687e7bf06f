"""What an alert says of an operation that reached a stage without an event: it is near, ready, expired, or unknown.

Also how long an operation waited, for the alerts of its execution and its end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from monitoring.alerts.message.text import Block, bold, code, kv, line, tx
from monitoring.base.business_hours import CLOSES, OPENS, business_time, zone_of
from monitoring.base.formatting import format_duration, format_instant
from monitoring.chains.networks import network
from monitoring.checks.builtin.shared.data_rows import RowContract
from monitoring.checks.builtin.shared.transactions import Room, call_blocks, when
from monitoring.checks.builtin.timelocks.calls import scheduled_calls
from monitoring.checks.builtin.timelocks.following import Reached
from monitoring.checks.engine.point import EvaluationPoint
from monitoring.checks.expression.values import Value
from monitoring.conditions.outcome import Entry

Facts = Mapping[str, Value]
# What a stage is called: of one operation, of one among others, of several. In this order they stand in a message.
STAGES: Mapping[Reached, tuple[str, str, str]] = {
    Reached.READY: ("operation can be executed now", "operation ready", "operations ready"),
    Reached.REMINDER: ("operation can run soon", "operation that can run soon", "operations that can run soon"),
    Reached.EXPIRED: ("operation expired", "operation expired", "operations expired"),
    Reached.UNKNOWN: (
        "operation does not wait any more",
        "operation that does not wait any more",
        "operations that do not wait any more",
    ),
}
_CALL_LINES, _CALL_UNITS = 12, 800
_WHY: Mapping[Reached, str] = {
    Reached.READY: "Anybody who has the right to execute it can do so in the next block.",
    Reached.EXPIRED: "It was not executed within its window and cannot be executed any more.",
    Reached.UNKNOWN: "The timelock does not know it any more, and no event says why: look at its transactions.",
}


def reached_of(entry: Entry) -> Reached:
    return Reached(str(entry.facts["stage"]))


def headline(entry: Entry, now: datetime) -> str:
    """Return what a title says of one stage."""
    reached, ready_at = reached_of(entry), instant(entry.facts, "ready at")
    if reached is Reached.REMINDER and ready_at is not None:
        return f"operation can run in {format_duration(ready_at - now)}, at {format_instant(ready_at)}"
    return STAGES[reached][0]


def stage_blocks(
    entry: Entry, place: RowContract, kind: str, room: Room, at: EvaluationPoint, *, is_only: bool
) -> list[Block]:
    """Say where an operation is, and once more what it calls."""
    facts, now, reached = entry.facts, at.clock.now(), reached_of(entry)
    rows: dict[str, object] = waiting_rows(facts, at, is_only=is_only) if reached is not Reached.UNKNOWN else {}
    if (until := instant(facts, "until")) is not None:
        rows["Expired" if reached is Reached.EXPIRED else "Expires"] = when(until, now)
    rows |= {"Scheduled": _scheduled(facts, place), "Id": code(short_id(str(facts["operation"])))}
    head = [] if is_only else [line(bold(STAGES[reached][1].capitalize()))]
    why = [line(_WHY[reached])] if reached in _WHY else []
    block, scheduled_in = facts.get("scheduled block"), str(facts.get("scheduled in", ""))
    if not is_only or not isinstance(block, int) or reached in (Reached.EXPIRED, Reached.UNKNOWN):
        return [*head, kv(rows), *why]
    calls = scheduled_calls(scheduled_in, block, str(facts["operation"]), kind, place, at)
    brief = Room(min(room.lines, _CALL_LINES), min(room.units, _CALL_UNITS), room.flags)
    return [*head, kv(rows), *why, *call_blocks(calls, at, brief)]


def waiting_rows(facts: Facts, at: EvaluationPoint, *, is_only: bool) -> dict[str, object]:
    """Return when an operation can run, and how many business hours are left until then."""
    now, ready_at = at.clock.now(), instant(facts, "ready at")
    if ready_at is None:
        return {}
    rows: dict[str, object] = {"Can run": when(ready_at, now)}
    return rows | business_rows(ready_at, at, is_only=is_only)


def business_rows(ready_at: datetime, at: EvaluationPoint, *, is_only: bool) -> dict[str, object]:
    """Return how many business hours are left until an instant; nothing once it is past.

    Which hours are meant is said where there is room, in a message about one operation.
    """
    now = at.clock.now()
    if ready_at <= now:
        return {}
    zone = zone_of(at.environ)
    hours = int(business_time(now, ready_at, zone).total_seconds() // 360) / 10
    week = f" (Monday to Friday, {OPENS:%H:%M} to {CLOSES:%H:%M} {zone})" if is_only else ""
    return {"Business hours left": f"{hours:g}{week}"}


def ended_rows(facts: Facts, *, was_executed: bool) -> dict[str, object]:
    """Return how long an operation had waited when it was executed or cancelled, as far as that is known."""
    ended_at, scheduled_at, ready_at = (instant(facts, name) for name in ("mined at", "scheduled at", "ready at"))
    rows: dict[str, object] = {}
    if ended_at is not None and scheduled_at is not None:
        waited = format_duration(ended_at - scheduled_at)
        if ready_at is not None:
            side = "after" if ended_at >= ready_at else "before"
            what = "executed" if was_executed else "cancelled"
            waited += f", {what} {format_duration(abs(ended_at - ready_at))} {side} it could run"
        rows["Waited"] = waited
    calls, left = facts.get("calls"), facts.get("calls left")
    if isinstance(calls, int) and isinstance(left, int) and left:
        rows["Left"] = f"{left} of {calls} calls still wait"
    return rows


def _scheduled(facts: Facts, place: RowContract) -> object:
    link = tx(str(facts["scheduled in"]), chain=network(place.chain))
    at = instant(facts, "scheduled at")
    return link if at is None else (link, f", {format_instant(at)}")


def short_id(identity: str) -> str:
    return f"{identity[:10]}…{identity[-4:]}" if identity.startswith("0x") else identity


def instant(facts: Facts, name: str) -> datetime | None:
    """Return a fact as an instant; a number that is none (a stranger's contract may emit anything) has none."""
    found = facts.get(name)
    return instant_of(found) if isinstance(found, int) else None


def instant_of(seconds: int) -> datetime | None:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def counts(stages: Sequence[Reached]) -> list[str]:
    """Return how many of several operations reached each stage, in words."""
    found = {stage: sum(one is stage for one in stages) for stage in STAGES}
    return [f"{count} {STAGES[stage][1 if count == 1 else 2]}" for stage, count in found.items() if count]
