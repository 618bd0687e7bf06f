"""Forgets old readings: stretches by the day they ended on, then checks of which nothing was read since.

What is written of limits stays: equal ones share a row, so there are few.
"""

from __future__ import annotations

from datetime import datetime

from monitoring.store.db.compatibility import has_table
from monitoring.store.db.database import Database
from monitoring.store.readings.writing import DAY_S

_BATCH = 2000  # rows of some 60 bytes, next to each other
_STRETCHES = """
DELETE FROM readings WHERE (day, series, last_s) IN (
    SELECT day, series, last_s FROM readings WHERE day < :day ORDER BY day LIMIT :batch)
"""
_UNREAD = "SELECT series FROM open_readings WHERE last_at < :before"


def forget_readings(database: Database, before: datetime) -> int:
    """Forget what ended on a day before that of `before`; return how many stretches that were."""
    if not database.read(lambda tx: has_table(tx, "reading_series")):
        return 0
    forgotten, changes = 0, _BATCH
    day = int(before.timestamp()) // DAY_S
    while changes == _BATCH:
        with database.write() as tx:
            tx.execute(_STRETCHES, {"day": day, "batch": _BATCH})
            changes = tx.changes()
        forgotten += changes
    with database.write() as tx:
        unread = [row[0] for row in tx.execute(_UNREAD, {"before": day * DAY_S}).fetchall()]
        for series in unread:
            tx.execute("DELETE FROM open_readings WHERE series = ?", (series,))
            tx.execute("DELETE FROM reading_series WHERE id = ?", (series,))
    return forgotten + len(unread)
