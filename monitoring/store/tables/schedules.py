"""The schedule history: which cron line of a profile was in force from when until when."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from monitoring.base.clock import from_text, to_text
from monitoring.store.db.database import Database, Parameters, Row, Tx, fetch


@dataclass(frozen=True, slots=True)
class Schedule:
    """What a scheduler serves of one profile."""

    profile: str
    cron: str
    enabled: bool = True
    sync_before_run: bool = False
    catch_up: str = "none"
    max_age_s: float | None = None


@dataclass(frozen=True, slots=True)
class ScheduleInForce:
    """A schedule and when it held: from `effective_from` on, until `effective_until` or still."""

    id: int
    schedule: Schedule
    effective_from: datetime
    effective_until: datetime | None
    reconciled_to: datetime
    recorded_by: str


_COLUMNS = (
    "id, profile, cron, enabled, sync_before_run, catch_up, max_age_s, effective_from, effective_until, "
    "reconciled_to, recorded_by"
)
_SELECT = f"SELECT {_COLUMNS} FROM schedules"  # noqa: S608 - names of our own


def record_in_force(tx: Tx, schedules: Iterable[Schedule], now: datetime, recorded_by: str) -> list[str]:
    """Make `schedules` the ones in force from now on; return the profiles that changed.

    1. A profile whose schedule is unchanged keeps its row.
    2. A changed or dropped one is closed at `now`.
    3. A new or changed one opens at `now`.
    """
    wanted = {schedule.profile: schedule for schedule in schedules}
    current = {found.schedule.profile: found for found in _read(tx, "WHERE effective_until IS NULL")}
    changed = [
        name
        for name in sorted(wanted.keys() | current.keys())
        if name not in current or wanted.get(name) != current[name].schedule
    ]
    for name in changed:
        if name in current:
            tx.execute("UPDATE schedules SET effective_until = ? WHERE id = ?", (to_text(now), current[name].id))
        if name in wanted:
            _open(tx, wanted[name], now, recorded_by)
    return changed


def record_one(tx: Tx, schedule: Schedule, now: datetime, recorded_by: str) -> bool:
    """Open the schedule of one profile that has none in force; return whether it was opened."""
    if list(_read(tx, "WHERE effective_until IS NULL AND profile = ?", (schedule.profile,))):
        return False
    _open(tx, schedule, now, recorded_by)
    return True


def record_enabled(tx: Tx, profile: str, now: datetime, recorded_by: str, *, enabled: bool) -> bool:
    """Note that the profile in force is switched on or off from now on, its cron line unchanged; False: it was so."""
    found = _read(tx, "WHERE effective_until IS NULL AND profile = ? AND enabled <> ?", (profile, int(enabled)))
    for entry in found:
        tx.execute("UPDATE schedules SET effective_until = ? WHERE id = ?", (to_text(now), entry.id))
        _open(tx, replace(entry.schedule, enabled=enabled), now, recorded_by)
    return bool(found)


def _open(tx: Tx, schedule: Schedule, now: datetime, recorded_by: str) -> None:
    at = to_text(now)
    tx.execute(
        "INSERT INTO schedules (profile, cron, enabled, sync_before_run, catch_up, max_age_s, effective_from, "
        "reconciled_to, recorded_by) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            schedule.profile, schedule.cron, int(schedule.enabled), int(schedule.sync_before_run), schedule.catch_up,
            schedule.max_age_s, at, at, recorded_by,
        ),
    )  # fmt: skip


def in_force(database: Database) -> list[ScheduleInForce]:
    """Return the schedules in force now, by profile."""
    return [_schedule(row) for row in database.rows(f"{_SELECT} WHERE effective_until IS NULL ORDER BY profile")]


def cron_in_force(database: Database, profile: str) -> str | None:
    """Return the cron expression of a profile that is in force now."""
    found = database.row("SELECT cron FROM schedules WHERE effective_until IS NULL AND profile = ?", (profile,))
    return found[0] if found else None


def history(database: Database, since: datetime, until: datetime) -> list[ScheduleInForce]:
    """Return every schedule that held at some moment of [since, until), oldest first."""
    where = "WHERE effective_from < ? AND (effective_until IS NULL OR effective_until > ?) ORDER BY effective_from, id"
    return [_schedule(row) for row in database.rows(f"{_SELECT} {where}", (to_text(until), to_text(since)))]


def unreconciled(database: Database, until: datetime) -> list[ScheduleInForce]:
    """Return the enabled schedules whose ticks up to `until` may still lack a row."""
    where = "WHERE enabled AND reconciled_to < ? AND reconciled_to < coalesce(effective_until, ?) ORDER BY id"
    return [_schedule(row) for row in database.rows(f"{_SELECT} {where}", (to_text(until), to_text(until)))]


def mark_reconciled(tx: Tx, schedule_id: int, until: datetime) -> None:
    """Note that every tick of the schedule up to `until` has its row."""
    tx.execute(
        "UPDATE schedules SET reconciled_to = ? WHERE id = ? AND reconciled_to < ?",
        (to_text(until), schedule_id, to_text(until)),
    )


def in_force_at(database: Database, profile: str, instant: datetime) -> str | None:
    """Return the cron expression of an enabled profile that was in force at an instant."""
    found = database.row(
        "SELECT cron FROM schedules WHERE profile = ? AND enabled AND effective_from <= ? "
        "AND (effective_until IS NULL OR effective_until > ?) ORDER BY id DESC LIMIT 1",
        (profile, to_text(instant), to_text(instant)),
    )
    return found[0] if found else None


def ledger_begins(database: Database) -> datetime | None:
    """Return since when any schedule is known to have been in force."""
    found = database.row("SELECT min(effective_from) FROM schedules")
    return from_text(found[0]) if found and found[0] else None


def _read(tx: Tx, where: str, parameters: Parameters = ()) -> list[ScheduleInForce]:
    return [_schedule(row) for row in fetch(tx, f"{_SELECT} {where}", parameters)]


def _schedule(row: Row) -> ScheduleInForce:
    row_id, profile, cron, enabled, sync, catch_up, max_age_s, since, until, reconciled_to, recorded_by = row
    return ScheduleInForce(
        row_id, Schedule(profile, cron, bool(enabled), bool(sync), catch_up, max_age_s), from_text(since),
        from_text(until) if until else None, from_text(reconciled_to), recorded_by,
    )  # fmt: skip
