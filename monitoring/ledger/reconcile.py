"""Never nothing: holds the schedule in force against the ledger and writes a row for every due tick that has none.

Called by every `run`, by `up`, `catch-up` and `audit`, each with its own connection; a tick gets its row once,
the first process to come.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from monitoring.base.process_identity import Boot, boot_of_text
from monitoring.ledger.causes import LEAST_STEP, Sign, SignsOfLife, clock_step
from monitoring.ledger.clock_steps import SLOW_START, answered_ahead, believed_now, take_back
from monitoring.ledger.spool import import_notes
from monitoring.ledger.ticks import GRACE, Unanswered, due_ticks, explain_unanswered
from monitoring.store.db.database import Database
from monitoring.store.db.recorded_time import NOBODY, Asker, give_up_tick
from monitoring.store.tables import runs, scheduler_events, schedules
from monitoring.store.tables.schedules import ScheduleInForce

# Rows written in one transaction: other writers wait for no longer than this many inserts.
_BATCH = 500
_SIGNS_BEYOND = 20
Due = Callable[[ScheduleInForce, datetime, datetime], Sequence[datetime]]


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What was written: runs closed as aborted, ticks that nobody ran, runs that could not write their own rows."""

    aborted: list[int]
    unanswered: list[Unanswered]
    imported: list[runs.RunRow] = field(default_factory=list)


def reconcile(
    database: Database,
    *,
    now: datetime,
    boot: Boot,
    is_alive: Callable[[str], bool],
    due: Due = due_ticks,
    grace: timedelta = GRACE,
    me: Asker = NOBODY,
    believed: datetime | None = None,
) -> Reconciled:
    """Write what the ledger lacks, and return it.

    1. Runs that could not write their row left a note: it becomes the row.
    2. A running row whose process is gone is closed.
    3. What a clock that was ahead wrote is taken back.
    4. Every due tick past its grace and without a row gets one: skipped or missed, with the likely cause.

    Args:
        database: open for writing.
        now: the wall clock; ticks younger than `grace` are left alone.
        boot: of this host, now.
        is_alive: returns whether the process text of a run row still lives.
        due: the ticks of a schedule in an interval; with `grace` for tests whose schedules tick in seconds.
        grace: how long a tick may be without its row.
        me: who asks, if it has a row of its own.
        believed: as far as the clock is believed, where it was asked for before this process wrote into the ledger.
    """
    imported = import_notes(database)
    with database.write() as tx:
        aborted = runs.close_abandoned(tx, is_alive, now)
    take_back(database, now, boot, me)
    horizon = min(now, believed or believed_now(database, now, boot, me)) - grace
    written: list[Unanswered] = []
    for entry in schedules.unreconciled(database, horizon):
        written += _reconcile_one(database, entry, horizon, boot, due)
    return Reconciled(aborted, written, imported)


def _reconcile_one(
    database: Database, entry: ScheduleInForce, horizon: datetime, boot: Boot, due: Due
) -> list[Unanswered]:
    profile, after = entry.schedule.profile, entry.reconciled_to
    until = min(horizon, entry.effective_until) if entry.effective_until else horizon
    ahead = answered_ahead(database, profile, after, until, boot)
    answered = runs.answered_ticks(database, profile, after, until) - ahead
    open_ticks = [tick for tick in due(entry, after, until) if tick not in answered]
    found = explain(database, profile, open_ticks, boot)
    return _write(database, entry, found, until, ahead)


def explain(database: Database, profile: str, ticks: Sequence[datetime], boot: Boot) -> list[Unanswered]:
    """Say of the ticks of a profile that have no row, oldest first, what became of them."""
    if not ticks:
        return []
    going = runs.overlapping(database, profile, ticks[0], ticks[-1])
    return explain_unanswered(profile, ticks, going, gather_evidence(database, profile, ticks[0], ticks[-1], boot))


def gather_evidence(database: Database, profile: str, since: datetime, until: datetime, boot: Boot) -> SignsOfLife:
    """Collect the signs of life of host and scheduler around the ticks of a profile in [since, until]."""
    started = scheduler_events.runs_by_scheduler(database, since, until, profile=profile, beyond=_SIGNS_BEYOND)
    found = _in_order(_sign(*row) for row in started)
    starts = scheduler_events.scheduler_starts(database, since, until, beyond=_SIGNS_BEYOND)
    found += [Sign(at, Boot("", booted_at), is_start=True) for at, booted_at in starts]
    return SignsOfLife(found, boot)


def _in_order(recorded: Iterable[Sign]) -> list[Sign]:
    """Leave out the runs that are dated later than one recorded after them: their clock was set back since."""
    kept: list[Sign] = []
    for sign in recorded:
        while kept and kept[-1].at > sign.at + SLOW_START and _lost_time(kept[-1], sign):
            kept.pop()
        kept.append(sign)
    return kept


def _lost_time(before: Sign, after: Sign) -> bool:
    """Decide by the boot; one of another boot, recorded later, cannot have started earlier."""
    is_same = before.boot is not None and after.boot is not None and before.boot.id == after.boot.id
    return not is_same or clock_step(before.boot, after.boot) <= -LEAST_STEP


def _sign(started_at: datetime, process: str, profile: str, tick_at: datetime | None) -> Sign:
    """The scheduler acted at the tick; that the process was there a moment later says nothing of it any more."""
    acted_at = min(started_at, tick_at) if tick_at else started_at
    return Sign(acted_at, boot_of_text(process, started_at), profile, answers=tick_at is not None)


def _write(
    database: Database, entry: ScheduleInForce, found: list[Unanswered], until: datetime, ahead: Collection[datetime]
) -> list[Unanswered]:
    written: list[Unanswered] = []
    for start in range(0, max(1, len(found)), _BATCH):
        batch = found[start : start + _BATCH]
        with database.write() as tx:
            for tick in batch:
                if tick.tick_at in ahead:
                    give_up_tick(tx, tick.profile, tick.tick_at)
            written += [
                tick
                for tick in batch
                if runs.insert_unserved(
                    tx, tick.profile, tick.tick_at, tick.status, reason=tick.reason, held_by=tick.held_by
                )
            ]
            schedules.mark_reconciled(tx, entry.id, batch[-1].tick_at if start + _BATCH < len(found) else until)
    return written
