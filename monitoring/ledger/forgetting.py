"""Prunes only while the clock can be trusted: by one that is ahead, all history is old. For `prune` and its task."""

from __future__ import annotations

from datetime import datetime, timedelta

from monitoring.base.errors import StoreError
from monitoring.base.formatting import format_duration
from monitoring.base.process_identity import Boot
from monitoring.ledger.clock_steps import gained_since
from monitoring.store.db import recorded_time
from monitoring.store.db.database import Database
from monitoring.store.maintenance.prune import Pruned, prune

# Runs have to agree for this long on a time that the host's uptime does not explain before history is judged by it.
_AGREED_FOR = timedelta(days=1)
# Less is taken off the age at which rows go.
_FAR = timedelta(hours=12)
# How old the newest alert of a database without any run may be.
_QUIET = timedelta(days=7)


def prune_by_a_trusted_clock(
    database: Database, now: datetime, boot: Boot, keep_for: timedelta, readings_for: timedelta | None = None
) -> Pruned:
    """Forget what is older than `keep_for` (readings: `readings_for`), as far as the clock can be believed.

    Raises:
        UsageError: `keep_for` is less than a day.
        StoreError: the newest row lies implausibly far from now, or the database cannot be written.
    """
    gained = gained_since(database, now - _AGREED_FOR, now, boot)
    newest = recorded_time.newest(database, asker=recorded_time.NOBODY)
    if newest is None:
        alert_at = recorded_time.newest_alert_at(database)
        gained = now - alert_at if alert_at and abs(now - alert_at) > _QUIET else timedelta(0)
    if abs(gained) >= _FAR:
        where = "ahead of" if gained > timedelta(0) else "behind"
        raise StoreError(
            f"nothing was forgotten: the clock shows {now:%Y-%m-%d %H:%M} UTC, {format_duration(abs(gained))} {where} "
            "what the newest rows and the uptime of this host say. Set the clock right (see `timedatectl`); if it is "
            f"right, prune again when runs have agreed on it for {_AGREED_FOR.days} day"
        )
    return prune(database, now - max(gained, timedelta(0)), keep_for, readings_for)
