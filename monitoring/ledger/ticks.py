"""Which due tick a run answers, and what became of a tick that no run answers. Pure: rows in, reasons out."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from monitoring.ledger.causes import ALIVE, SignsOfLife, likely_cause
from monitoring.ledger.cron import Cron
from monitoring.store.tables.runs import RunRow
from monitoring.store.tables.schedules import ScheduleInForce

# A tick without a row is written off only after this long: its process may just be starting on a busy host.
GRACE = timedelta(minutes=2)
# How long after its tick a run may start. Clocks were seen to step by ±90 s; a cron daemon that was held back starts
# late, but never by more than half the way to the next tick.
_NEAREST = timedelta(minutes=2)
_FARTHEST = timedelta(minutes=15)
# The kernel counts the start of a process in hundredths of a second, rounded down.
_ROUNDED = timedelta(milliseconds=50)


@dataclass(frozen=True, slots=True)
class Unanswered:
    """A due tick without a run, and why."""

    profile: str
    tick_at: datetime
    status: Literal["skipped", "missed"]
    reason: str
    held_by: int | None = None


def due_ticks(entry: ScheduleInForce, after: datetime, until: datetime) -> list[datetime]:
    """Return the ticks of a schedule in (after, until] for as long as it was in force."""
    if not entry.schedule.enabled:
        return []
    first = max(after, entry.effective_from)
    last = min(until, entry.effective_until) if entry.effective_until else until
    return list(Cron.parse(entry.schedule.cron).ticks(first, last)) if first < last else []


def nearby(instant: datetime) -> tuple[datetime, datetime]:
    """Return the span in which a tick may lie that a start at `instant` answers."""
    return instant - _FARTHEST, instant + _NEAREST


def tick_for(
    cron: Cron, started_at: datetime, answered: Collection[datetime], set_back: timedelta = timedelta(0)
) -> datetime | None:
    """Return the newest unanswered tick at or before a start by the scheduler; none if all near ones have their row.

    A cron daemon waits by a timer and never starts early, unless the clock was `set_back` while it waited: then the
    tick may lie ahead by that much.
    """
    latest = started_at + _ROUNDED + min(set_back, _NEAREST)
    near = [
        tick
        for tick in cron.ticks(started_at - _FARTHEST, latest)
        if tick not in answered and started_at - tick <= _reach(cron, tick)
    ]
    return max(near, default=None)


def start_for(tick_at: datetime, started_at: datetime) -> datetime:
    """Return the start of a run that answers a tick: not before it where only the kernel's rounding says so."""
    return tick_at if tick_at - _ROUNDED <= started_at < tick_at else started_at


def _reach(cron: Cron, tick: datetime) -> timedelta:
    half_gap = (cron.next_after(tick) - tick) / 2
    return max(_NEAREST, min(half_gap, _FARTHEST))


def explain_unanswered(
    profile: str, ticks: Iterable[datetime], runs: Sequence[RunRow], evidence: SignsOfLife
) -> list[Unanswered]:
    """Say of each tick without a row whether a run of its profile held it up, or what probably stopped it.

    Args:
        profile: whose ticks they are.
        ticks: due, past their grace, without a row.
        runs: the runs of the profile that were going around those ticks.
        evidence: what is known of host and scheduler.
    """
    return [_explain(profile, tick, runs, evidence) for tick in ticks]


def _explain(profile: str, tick: datetime, runs: Sequence[RunRow], evidence: SignsOfLife) -> Unanswered:
    """A run that vanished has no known end: it held the tick up only if nothing else explains it."""
    going = [run for run in runs if run.started_at <= tick and (run.ended_at is None or tick <= run.ended_at)]
    holder = next((run for run in going if not run.has_vanished), None)
    cause = "" if holder else likely_cause(profile, tick, evidence)
    if going and cause == ALIVE:
        holder = going[-1]
    if holder is None:
        return Unanswered(profile, tick, "missed", cause)
    return Unanswered(profile, tick, "skipped", still_going(holder), holder.id)


def still_going(run: RunRow) -> str:
    """Name the run that took a tick: `run 812 of 14:10 was still going`."""
    return f"run {run.id} of {run.tick_at or run.started_at:%H:%M} was still going"
