"""The one message about a new host's own set-up: what is held back on its first day, and that the day is over.

docs/decisions/0029-the-first-day-is-quiet-about-the-set-up.md says why.
"""

from __future__ import annotations

from datetime import datetime

from monitoring.alerts.message.model import Alert, Severity
from monitoring.alerts.message.text import code, line
from monitoring.alerts.recording.store_alert import AlertOrigin, raise_in, resolve_in
from monitoring.base.formatting import format_instant
from monitoring.base.plural import counted
from monitoring.store.db.database import Database
from monitoring.store.tables import conditions, first_day

_MOST = 20


def report_first_day(database: Database, now: datetime, origin: AlertOrigin) -> None:
    """Send what is held back as one LOW message, once more when something joins it, and once when the day is over."""
    held = first_day.held(database)
    before = database.read(lambda tx: conditions.get(tx, first_day.KEY))
    if not held and (before is None or not before.is_firing):
        return
    new = held.keys() - first_day.reported(database)
    with database.write() as tx:
        ends_at = first_day.ends_at(tx, now)
        if ends_at is None or not held:
            for key in held:
                first_day.let_go(tx, key)
            resolve_in(tx, first_day.KEY, now=now, origin=origin, note=_over(len(held)))
            return
        raise_in(tx, _message(held, ends_at), now=now, origin=origin, key=first_day.KEY, is_news=bool(new))
        first_day.mark_reported(tx, new, now)


def _message(held: dict[str, str], ends_at: datetime) -> Alert:
    texts = list(held.values())
    more = [f"and {len(texts) - _MOST} more"] if texts[_MOST:] else []
    return Alert(
        Severity.LOW,
        f"First day: {counted(len(texts), 'finding')} about this host's own set-up",
        *texts[:_MOST],
        *more,
        f"Quiet until {format_instant(ends_at)}: what is still wrong then is reported once, at its own severity.",
        line("What to type for each: ", code("python -m automation doctor")),
        protocol="automation",
        source="ops_error",
        key=first_day.KEY.check,
        silent=True,
    )


def _over(count: int) -> str:
    if not count:
        return "first day: nothing is left of the findings about this host's set-up"
    return (
        f"the first day is over: {counted(count, 'finding')} about this host's set-up now count at their own severity"
    )
