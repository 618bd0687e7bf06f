"""Reports a day that is over: the numbers, the digest and the message, all in one transaction and once.

Called at the end of each run. Which of several runs does it, and when, makes no difference to what is said.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from automation.evidence.daily_message import daily_message
from automation.jobs.model import Jobs
from monitoring.alerts.recording.store_alert import AlertKind, AlertOrigin, store_in
from monitoring.base.process_identity import THIS_HOST, current_boot
from monitoring.ledger.clock_steps import believed_now
from monitoring.ledger.evidence import closing
from monitoring.ledger.evidence.closing import DueDay
from monitoring.ledger.evidence.numbers import DayNumbers, numbers, read_span
from monitoring.store.db.database import Database, Tx
from monitoring.store.db.recorded_time import Asker
from monitoring.store.evidence import closed_days
from monitoring.store.tables.deliveries import Status

_DEFAULT = Jobs(profiles={})


def report_day(
    database: Database, now: datetime, jobs: Jobs | None, origin: AlertOrigin, tick_at: datetime | None
) -> bool:
    """Store the message about the day that is due, if one is; return whether it was.

    `jobs`: with `daily_report: off` the message is only stored, for audits; None: the file has mistakes. `tick_at` is
    the tick of this run, which is no second opinion about the clock.
    """
    boot = current_boot()
    now = believed_now(database, now, boot, Asker(str(THIS_HOST.process()), tick_at))
    after_midnight = (jobs or _DEFAULT).daily_report_after
    due = database.read(lambda tx: closing.due_day(tx, now, after_midnight))
    if due is None:
        if database.read(closed_days.newest) is None:
            with database.write() as tx:
                closing.begin(tx, now)
        return False
    found = numbers(read_span(database, due.since, due.day, now, boot), due.since, due.day)
    with database.write() as tx:
        if closing.due_day(tx, now, after_midnight) != due:
            return False  # another run was first
        status: Status = "pending" if (jobs or _DEFAULT).is_day_sent else "not_attempted"
        _store(tx, due, found, now, origin, status)
    return True


def _store(tx: Tx, due: DueDay, found: DayNumbers, now: datetime, origin: AlertOrigin, status: Status) -> None:
    closed, rows = closing.close(tx, due, found.as_text(), now)
    stored = store_in(
        tx,
        daily_message(found, closed, due.missed),
        now=now,
        origin=origin,
        kind=AlertKind.DAILY_REPORT,
        status=status,
        metadata={"day": due.day.isoformat(), "digest": closed.digest},
    )
    closed_days.add(tx, replace(closed, alert_id=stored.alert_id), rows)
