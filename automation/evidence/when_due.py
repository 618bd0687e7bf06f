"""Whether a day is still to be reported: asked at the end of each run, so it loads nothing while none is."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from monitoring.store.db.database import Database
from monitoring.store.evidence import closed_days

if TYPE_CHECKING:
    from automation.jobs.model import Jobs
    from monitoring.alerts.recording.store_alert import AlertOrigin


def report_if_due(
    database: Database,
    now: datetime,
    read_jobs: Callable[[], Jobs | None],
    origin: Callable[[], AlertOrigin],
    tick_at: datetime | None,
) -> None:
    """Report the day before, unless a run did already; `tick_at` is the tick of this one."""
    if database.read(lambda tx: closed_days.is_yesterday_closed(tx, now)):
        return
    from automation.evidence.daily import report_day  # noqa: PLC0415 - once a day

    report_day(database, now, read_jobs(), origin(), tick_at)
