"""The database file was deleted or replaced while this process had it open: nothing that waits in it is lost.

An open file can be read until it is closed. So the process that notices opens the file that is at the path now, carries
over what was still to be sent, reports it once, and only then closes the old one. A writer checks again when it ends.
"""

from __future__ import annotations

import logging

from monitoring.base.clock import Clock
from monitoring.base.errors import StoreError
from monitoring.store.db.database import BUSY_TIMEOUT_S, Database, Tx
from monitoring.store.db.schema import creation_lock
from monitoring.store.maintenance.repair import open_or_repair
from monitoring.store.maintenance.salvage import Salvaged, salvage
from monitoring.store.tables.alerts import NewAlert, insert
from monitoring.store.tables.deliveries import PLACEHOLDER

log = logging.getLogger("monitoring.store")

_LOCK_TIMEOUT_S = 60.0
_TITLE = "The database was deleted or replaced while it was in use"


def reopen(lost: Database, clock: Clock, *, busy_timeout_s: float = BUSY_TIMEOUT_S) -> Database:
    """Open the file that lies at the path now, with what waits in the lost one carried over; close that.

    Raises:
        StoreError: it cannot be opened or written; `lost` stays open, to be tried again.
    """
    with creation_lock(lost.path).hold(_LOCK_TIMEOUT_S):
        lost.take_sidecars_along(clock.now())
    database, _ = open_or_repair(lost.path, clock, busy_timeout_s=busy_timeout_s)
    try:
        with database.write() as tx:
            is_first = _carry_over(lost, tx, clock)
        if is_first:
            _bring_readings(lost, database, clock)
    except BaseException:
        database.close()
        raise
    lost.close()
    return database


def close(database: Database, clock: Clock) -> None:
    """Close a database that was written to; if its file is gone, what waits in it is carried over first."""
    if database.is_current():
        database.close()
        return
    try:
        reopen(database, clock).close()
    except StoreError as error:
        log.error("%s is lost, and what still waited in it could not be carried over: %s", database.path, error)  # noqa: TRY400 - one line
        database.close()


def _bring_readings(lost: Database, database: Database, clock: Clock) -> None:
    from monitoring.store.maintenance.salvage_readings import salvage_readings  # noqa: PLC0415 - only after a loss

    salvage_readings(lost.connection, database, clock.now())


def _carry_over(lost: Database, tx: Tx, clock: Clock) -> bool:
    """Carry over what waits, and report it once; return whether no other process has reported this file."""
    now = clock.now()
    salvaged = salvage(lost.connection, tx, now)
    reported = tx.execute("SELECT 1 FROM alert_events WHERE fingerprint = ?", (lost.mark,)).fetchone()
    if reported and not salvaged.alerts:
        return False
    alert = NewAlert(
        protocol="automation",
        severity="HIGH",
        title=_TITLE,
        message=f"{_TITLE}\n{describe(lost, salvaged)}",
        source="ops_error",
        fingerprint=lost.mark,
    )
    insert(tx, alert, ["telegram", PLACEHOLDER], now)
    return reported is None


def describe(lost: Database, salvaged: Salvaged) -> str:
    return (
        f"{lost.path} is another file than before. {salvaged}; readings of checks follow. "
        "History and remembered values of the lost file are gone: the first values read become new baselines and are "
        "not reported as changes. To bring them back, restore a backup (`python -m automation restore`)."
    )
