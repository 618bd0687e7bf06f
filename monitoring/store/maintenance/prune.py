"""Forgets what is old: alerts, runs, readings, what is over (conditions, silences, blindness), files set aside.

Behind the verb `prune` and the daily task. Each transaction is small and the writers queue fairly, so nobody waits
long; killed at any moment, it has forgotten less. What monitors and chains remember and the schedule history stay.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from monitoring.base.clock import to_text
from monitoring.base.errors import UsageError
from monitoring.base.plural import counted
from monitoring.store.db.database import Database, fetch
from monitoring.store.evidence import closed_days
from monitoring.store.readings.pruning import forget_readings

KEEP_FOR = timedelta(days=90)
SHORTEST = timedelta(days=1)  # ours: the audit of a day must find its rows
# Some milliseconds a transaction: an alert has a dozen index entries, a run the output of its tasks.
_BATCH, _BATCH_OF_RUNS = 500, 50
_SET_ASIDE = re.compile(r"monitoring\.db\.(?:damaged|replaced)-(\d{8}T\d{6})\d*Z")

# An alert stays while anything of it is to be delivered, while a condition that is not over or a digest refers to it,
# and the last drill that arrived stays, because the audit shows its date.
_OLD_ALERTS = """
SELECT sort_at, id FROM alert_events WHERE (sort_at, id) > (:sort_at, :id) AND sort_at < :before
AND created_at < :before ORDER BY sort_at, id LIMIT :batch
"""
_ALERTS = """
DELETE FROM alert_events WHERE id IN (SELECT value FROM json_each(:ids))
AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.alert_id = alert_events.id
                AND d.status IN ('pending', 'skipped_missing_credentials'))
"""
_KEPT_ALERTS = """
SELECT alert_id FROM conditions WHERE state <> 'ok' AND alert_id IS NOT NULL UNION SELECT alert_id FROM digests
UNION SELECT max(id) FROM alert_events WHERE kind = 'drill' AND delivery_status = 'delivered'
"""
# Adopted before adoption did it: the replaced system sent it or gave it up, and nothing of it waits here.
_WITHOUT_DELIVERY = """
SELECT id FROM alert_events a WHERE delivery_status IN ('pending', 'generated')
AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.alert_id = a.id)
"""
_NOT_ATTEMPTED = """
UPDATE alert_events SET delivery_status = 'not_attempted' WHERE id IN (SELECT value FROM json_each(:ids))
"""
_RUNS = """
DELETE FROM runs WHERE id IN (
    SELECT id FROM runs WHERE started_at < :before AND coalesce(ended_at, '') < :before AND status <> 'running'
    AND id NOT IN (SELECT value FROM json_each(:kept)) ORDER BY started_at LIMIT :batch)
"""
# Of each profile the newest row, tick, start and success stay, however long ago: they show when a yearly one last ran.
_KEPT_RUNS = """
SELECT max(id) FROM runs GROUP BY profile
UNION SELECT max(id) FROM runs WHERE tick_at IS NOT NULL GROUP BY profile
UNION SELECT max(id) FROM runs WHERE status NOT IN ('skipped', 'missed') GROUP BY profile
UNION SELECT max(id) FROM runs WHERE status = 'ok' GROUP BY profile
"""
# A condition with memory of its check (`data_json`) is state, over or not.
_CONDITIONS = """
DELETE FROM conditions WHERE rowid IN (
    SELECT rowid FROM conditions WHERE state = 'ok' AND data_json IS NULL AND updated_at < :before LIMIT :batch)
"""
_SILENCES = "DELETE FROM silences WHERE id IN (SELECT id FROM silences WHERE ends_at < :before LIMIT :batch)"
_NARROW = """
DELETE FROM narrow_silences WHERE id IN (SELECT id FROM narrow_silences WHERE ends_at < :before LIMIT :batch)
"""
# The newest of each person is kept: it says whether messages reach them.
_PEOPLE = """
DELETE FROM people_drills WHERE id IN (
    SELECT id FROM people_drills WHERE due_at < :before
    AND id NOT IN (SELECT max(id) FROM people_drills WHERE asked_at IS NOT NULL GROUP BY person) LIMIT :batch)
"""
_CALLS = """
DELETE FROM webhook_calls WHERE rowid IN (SELECT rowid FROM webhook_calls WHERE called_at < :before LIMIT :batch)
"""
_STARTS = """
DELETE FROM scheduler_starts WHERE id IN (
    SELECT id FROM scheduler_starts WHERE started_at < :before AND id < (SELECT max(id) FROM scheduler_starts)
    LIMIT :batch)
"""
_SPELLS = "DELETE FROM blind_spells WHERE id IN (SELECT id FROM blind_spells WHERE until < :before LIMIT :batch)"
_UPDATES = """
DELETE FROM handled_updates WHERE id IN (SELECT id FROM handled_updates WHERE handled_at < :before LIMIT :batch)
"""
_STEPS = {
    "condition": _CONDITIONS,
    "silence": _SILENCES,
    "narrow silence": _NARROW,
    "drill of people": _PEOPLE,
    "webhook call": _CALLS,
    "scheduler start": _STARTS,
    "message from the chat": _UPDATES,
    "blind spell": _SPELLS,
}


@dataclass(frozen=True, slots=True)
class Pruned:
    """How many rows of each kind went, and the databases set aside that went."""

    before: datetime
    rows: dict[str, int] = field(default_factory=dict)
    files: tuple[Path, ...] = ()

    def __str__(self) -> str:
        counts = [counted(count, kind) for kind, count in self.rows.items() if count]
        counts += [f"{counted(len(self.files), 'file')} of databases set aside"] if self.files else []
        return f"forgotten of before {self.before:%Y-%m-%d %H:%M} UTC: {', '.join(counts) or 'nothing'}"


def prune(
    database: Database, now: datetime, keep_for: timedelta = KEEP_FOR, readings_for: timedelta | None = None
) -> Pruned:
    """Forget what is older than `keep_for`; of what checks read what is older than `readings_for`, where that is given.

    Raises:
        UsageError: `keep_for` or `readings_for` is less than a day.
        StoreError: the database cannot be written; what was forgotten until then stays forgotten.
    """
    if min(keep_for, readings_for or keep_for) < SHORTEST:
        raise UsageError(f"at least {SHORTEST.days} day must be kept: the audit of the last 24 hours needs its rows")
    before = now - keep_for
    with database.write() as tx:
        closed_days.prune(tx, before)  # first: what is gone when this process dies has been announced
    counts = {"alert": _delete_alerts(database, before)}
    counts |= {kind: _delete_in_batches(database, sql, before, _BATCH) for kind, sql in _STEPS.items()}
    kept = [row[0] for row in database.rows(_KEPT_RUNS)]
    counts["run"] = _delete_in_batches(database, _RUNS, before, _BATCH_OF_RUNS, kept=str(kept))
    counts["reading"] = forget_readings(database, before if readings_for is None else now - readings_for)
    _end_adopted(database)
    return Pruned(before, counts, tuple(_remove_set_aside(database.path, before)))


def _delete_alerts(database: Database, before: datetime) -> int:
    """Walk along the old alerts once; what refers to some of them is read once too."""
    kept = {row[0] for row in database.rows(_KEPT_ALERTS)}
    deleted, last = 0, ("", -1)
    while True:
        with database.write() as tx:
            at = {"sort_at": last[0], "id": last[1], "before": to_text(before), "batch": _BATCH}
            found = fetch(tx, _OLD_ALERTS, at)
            tx.execute(_ALERTS, {"ids": str([row[1] for row in found if row[1] not in kept])})
            deleted += tx.changes() if found else 0
        if len(found) < _BATCH:
            return deleted
        last = found[-1]


def _end_adopted(database: Database) -> None:
    ids = [row[0] for row in database.rows(_WITHOUT_DELIVERY)]
    for first in range(0, len(ids), _BATCH):
        with database.write() as tx:
            tx.execute(_NOT_ATTEMPTED, {"ids": str(ids[first : first + _BATCH])})


def _delete_in_batches(database: Database, sql: str, before: datetime, batch: int, **more: str) -> int:
    deleted = 0
    while True:
        with database.write() as tx:
            tx.execute(sql, {"before": to_text(before), "batch": batch, **more})
            changes = tx.changes()
        deleted += changes
        if changes < batch:
            return deleted


def _remove_set_aside(database: Path, before: datetime) -> Iterator[Path]:
    """Remove databases that were set aside, damaged or replaced by a restore, and their `-wal` and `-shm`."""
    for path in sorted(database.parent.glob(f"{database.name}.*")):
        match = _SET_ASIDE.match(path.name)
        if match and datetime.strptime(match[1], "%Y%m%dT%H%M%S").replace(tzinfo=UTC) < before:
            with suppress(OSError):
                path.unlink()
                yield path
