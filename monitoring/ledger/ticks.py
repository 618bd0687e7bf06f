"""Which due tick a run answers, and what became of a tick that no run answers. Pure: rows in, reasons out."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from monitoring.ledger.cron import Cron
from monitoring.store.runs import Run
from monitoring.store.schedules import ScheduleInForce

# A tick without a row is written off only after this long: its process may just be starting on a busy host.
GRACE = timedelta(minutes=2)
# How far a run's start may lie from the tick it answers. Clocks were seen to step by ±90 s; a cron daemon that
# was held back starts late, but never by more than half the way to the next tick.
_NEAREST = timedelta(minutes=2)
_FARTHEST = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Unanswered:
    """A due tick without a run, and why."""

    profile: str
    tick_at: datetime
    status: Literal["skipped", "missed"]
    reason: str
    held_by: int | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of the scheduler around the missed ticks."""

    booted_at: datetime
    starts: Sequence[tuple[datetime, datetime]]  # (started_at, booted_at of that host life), oldest first
    answered_elsewhere: Sequence[datetime]  # ticks of other profiles that a scheduler served


def due_ticks(entry: ScheduleInForce, after: datetime, until: datetime) -> list[datetime]:
    """Return the ticks of a schedule in (after, until] for as long as it was in force."""
    if not entry.schedule.enabled:
        return []
    first = max(after, entry.effective_from)
    last = min(until, entry.effective_until) if entry.effective_until else until
    return list(Cron.parse(entry.schedule.cron).ticks(first, last)) if first < last else []


def nearby(instant: datetime) -> tuple[datetime, datetime]:
    """Return the span in which a tick may lie that a start at `instant` answers."""
    return instant - _FARTHEST - _NEAREST, instant + _FARTHEST + _NEAREST


def tick_for(cron: Cron, started_at: datetime, answered: Collection[datetime]) -> datetime | None:
    """Return the unanswered tick nearest to a start by the scheduler; none if all near ones have their row."""
    candidates = [tick for tick in cron.ticks(started_at - _FARTHEST, started_at + _FARTHEST) if tick not in answered]
    near = [tick for tick in candidates if abs(tick - started_at) <= _reach(cron, tick)]
    return min(near, key=lambda tick: (abs(tick - started_at), tick), default=None)


def _reach(cron: Cron, tick: datetime) -> timedelta:
    half_gap = (cron.next_after(tick) - tick) / 2
    return max(_NEAREST, min(half_gap, _FARTHEST))


def explain_unanswered(
    profile: str, ticks: Iterable[datetime], runs: Sequence[Run], evidence: Evidence
) -> list[Unanswered]:
    """Say of each tick without a row whether a run of its profile held it up, or what probably stopped it.

    Args:
        profile: whose ticks they are.
        ticks: due, past their grace, without a row.
        runs: the runs of the profile that were going around those ticks.
        evidence: what is known of host and scheduler.
    """
    found = []
    for tick in ticks:
        holder = _holder(tick, runs)
        if holder is None:
            found.append(Unanswered(profile, tick, "missed", _likely_cause(tick, evidence)))
        else:
            reason = f"run {holder.id} was still going"
            found.append(Unanswered(profile, tick, "skipped", reason, holder.id))
    return found


def _holder(tick: datetime, runs: Sequence[Run]) -> Run | None:
    """Return the run that was going at the tick."""
    for run in runs:
        if run.started_at <= tick and (run.ended_at is None or tick <= run.ended_at):
            return run
    return None


def _likely_cause(tick: datetime, evidence: Evidence) -> str:
    started = next((start for start in evidence.starts if start[0] > tick), None)
    if started is not None and started[1] > tick:
        return f"the host was down (it booted at {_minute(started[1])})"
    if started is not None:
        return f"the scheduler was stopped (it started at {_minute(started[0])})"
    if evidence.booted_at > tick:
        return f"the host was down (it booted at {_minute(evidence.booted_at)})"
    if any(abs(other - tick) <= _FARTHEST for other in evidence.answered_elsewhere):
        return "the scheduler was alive, but did not start this profile"
    return "the scheduler was not running"


def _minute(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%d %H:%M UTC")
