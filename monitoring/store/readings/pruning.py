"""Forgets old readings: stretches by the day they ended on, then checks of which nothing was read since.

Then limits that nothing refers to any more: equal ones share a row, but a script may compute others in each run.
"""

from __future__ import annotations

from datetime import datetime

from monitoring.store.db.compatibility import has_table
from monitoring.store.db.database import Database, fetch
from monitoring.store.readings.writing import DAY_S

_BATCH = 2000  # rows of some 60 bytes, next to each other
_STRETCHES = """
DELETE FROM readings WHERE (day, series, last_s) IN (
    SELECT day, series, last_s FROM readings WHERE day < :day ORDER BY day LIMIT :batch)
"""
_USED = "SELECT DISTINCT limits FROM readings UNION SELECT limits FROM open_readings"
# Looked up again: a run may have begun to use one meanwhile.
_LIMITS = """
DELETE FROM reading_limits WHERE id IN (SELECT value FROM json_each(:ids))
AND id NOT IN (SELECT limits FROM open_readings) AND id NOT IN (SELECT limits FROM readings WHERE day >= :newest)
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
    _forget_limits(database)
    return forgotten + len(unread)


def _forget_limits(database: Database) -> None:
    """Forget what no reading refers to; the walk along all readings holds up no writer."""
    with database.snapshot() as tx:
        used = {row[0] for row in fetch(tx, _USED)}
        unused = [row[0] for row in fetch(tx, "SELECT id FROM reading_limits") if row[0] not in used]
        newest = fetch(tx, "SELECT max(day) FROM readings")[0][0] or 0
    for first in range(0, len(unused), _BATCH):
        with database.write() as tx:
            tx.execute(_LIMITS, {"ids": str(unused[first : first + _BATCH]), "newest": newest})
