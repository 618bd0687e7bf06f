"""Never nothing: holds the schedule in force against the ledger and writes a row for every due tick that has none.

Called by every `run`, by `up` and by `audit`, each with its own connection; a tick gets its row once, whoever
comes first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from monitoring.ledger.ticks import GRACE, Evidence, Unanswered, due_ticks, explain_unanswered
from monitoring.store import runs, schedules
from monitoring.store.database import Database
from monitoring.store.schedules import ScheduleInForce

# Rows written in one transaction: other writers wait for no longer than this many inserts.
_BATCH = 500


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What was written: runs closed as aborted, and ticks that nobody ran."""

    aborted: list[int]
    unanswered: list[Unanswered]


def reconcile(database: Database, *, now: datetime, booted_at: datetime, is_alive: Callable[[str], bool]) -> Reconciled:
    """Close runs whose process is gone, then write every overdue tick without a row; return what was written.

    Args:
        database: open for writing.
        now: the wall clock; ticks younger than `GRACE` are left alone.
        booted_at: when this host came up.
        is_alive: tells whether the process text of a run row still lives.
    """
    with database.write() as tx:
        aborted = runs.close_abandoned(tx, is_alive, now)
    horizon = now - GRACE
    written: list[Unanswered] = []
    for entry in schedules.unreconciled(database, horizon):
        written += _reconcile_one(database, entry, horizon, booted_at)
    return Reconciled(aborted, written)


def _reconcile_one(
    database: Database, entry: ScheduleInForce, horizon: datetime, booted_at: datetime
) -> list[Unanswered]:
    profile = entry.schedule.profile
    after = entry.reconciled_to
    until = min(horizon, entry.effective_until) if entry.effective_until else horizon
    answered = runs.answered_ticks(database, profile, after, until)
    open_ticks = [tick for tick in due_ticks(entry, after, until) if tick not in answered]
    found = explain_unanswered(
        profile,
        open_ticks,
        runs.overlapping(database, profile, after, until) if open_ticks else [],
        gather_evidence(database, profile, after, until, booted_at),
    )
    return _write(database, entry, found, until)


def gather_evidence(
    database: Database, profile: str, after: datetime, until: datetime, booted_at: datetime
) -> Evidence:
    """Collect the signs of life of host and scheduler around (after, until]."""
    margin = timedelta(minutes=20)
    return Evidence(
        booted_at=booted_at,
        starts=schedules.scheduler_starts_after(database, after),
        answered_elsewhere=runs.ticks_served_elsewhere(database, profile, after - margin, until + margin),
    )


def _write(database: Database, entry: ScheduleInForce, found: list[Unanswered], until: datetime) -> list[Unanswered]:
    written: list[Unanswered] = []
    for start in range(0, max(1, len(found)), _BATCH):
        batch = found[start : start + _BATCH]
        with database.write() as tx:
            written += [
                tick
                for tick in batch
                if runs.insert_unserved(
                    tx, tick.profile, tick.tick_at, tick.status, reason=tick.reason, held_by=tick.held_by
                )
            ]
            schedules.mark_reconciled(tx, entry.id, batch[-1].tick_at if start + _BATCH < len(found) else until)
    return written
