"""An audit as one would write it first: for each due tick one query for its row and one for its tasks."""

from __future__ import annotations

from datetime import datetime

from monitoring.ledger.ticks import due_ticks
from monitoring.store.db.database import Database
from monitoring.store.tables import runs, schedules


def count(database: Database, since: datetime, until: datetime) -> dict[str, int]:
    """Count what became of all due ticks."""
    fates: dict[str, int] = {}
    for entry in schedules.history(database, since, until):
        for tick in due_ticks(entry, since, until):
            row = runs.of_tick(database, entry.schedule.profile, tick)
            if row is None:
                status = "missed"
            else:
                failed = [task for task in runs.tasks(database, row.id) if task.status not in ("ok", "running")]
                status = "failed" if failed else row.status
            fates[status] = fates.get(status, 0) + 1
    return fates
