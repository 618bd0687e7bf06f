"""The ledger as a run holds it: opened, opened again when replaced, repaired when damaged; a write that fails is owed.

Called by `record`. Nothing here raises for the store's sake. A store that others keep busy for a while is not a broken
one: what could not be written then is written later, in order.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from monitoring.base.clock import Clock
from monitoring.base.errors import StoreBusyError, StoreError
from monitoring.store.db import lost
from monitoring.store.db.compatibility import VERSION, lacking
from monitoring.store.db.database import Database, StoreDamagedError, StoreReplacedError
from monitoring.store.maintenance.repair import Repair, open_or_repair, repair

log = logging.getLogger("automation.runner.run_ledger")

Act = Callable[[Database], None]


class Ledger:
    """The database at `path`. `trouble` says why it cannot be written; that it is busy is none.

    `on_reopened` is called with a database that was opened in the place of another. A database of the release before
    is migrated by `migrate` alone: a new revision first shows, by its row, that it can run.
    """

    def __init__(self, path: Path, clock: Clock, busy_timeout_s: float, on_reopened: Act) -> None:
        self.trouble: str | None = None
        self.repairs: list[Repair] = []
        self._path = path
        self._clock = clock
        self._busy_timeout_s = busy_timeout_s
        self._on_reopened = on_reopened
        self._database: Database | None = None
        self._owed: list[Act] = []
        self._is_patient = False
        self._migrates = False

    def migrate(self) -> None:
        """Bring the database to the schema of this release, now and at each opening from here on."""
        self._migrates = True
        known = self._database
        if known is not None and (known.numbers().version < VERSION or known.read(lacking)):
            self.close()
            self.attempt(lambda _: None)

    def owe(self, act: Act, *, is_last: bool = False) -> None:
        """Write something after what is owed already; once a write failed, only the last one tries again.

        A check must not be held up by the time limit once for each row that its run wants to write.
        """
        self._owed.append(act)
        if is_last or not self._is_patient:
            self.write_owed()

    def write_owed(self) -> None:
        """Try to write everything that is owed."""
        if not self._owed:
            return
        self._is_patient = not self.attempt(self._write_owed)
        if not self._is_patient:
            self.trouble = None

    def attempt(self, act: Act) -> bool:
        """Do it now; a database that was replaced or damaged meanwhile is opened again, once. False: not done."""
        try:
            try:
                act(self._open())
            except StoreReplacedError as error:
                log.warning("the database is opened again: %s", error)
                act(self._open())
            except StoreDamagedError as error:
                log.warning("the database is repaired: %s", error)
                self._repair(str(error))
                act(self._open())
        except StoreBusyError as error:
            log.warning("the ledger is busy, so this is written later: %s", error)
            return False
        except StoreError as error:
            if self.trouble is None:
                log.error("the ledger cannot be written: %s", error)  # noqa: TRY400 - one line for the operator
            self.trouble = str(error)
            return False
        return True

    def close(self) -> None:
        if self._database is not None:
            lost.close(self._database, self._clock)
            self._database = None

    def _write_owed(self, database: Database) -> None:
        """Write in order; what the store refuses for a reason of its own does not stop what comes after."""
        refused: StoreError | None = None
        left: list[Act] = []
        while self._owed:
            try:
                self._owed[0](database)
            except (StoreBusyError, StoreReplacedError, StoreDamagedError):
                self._owed[:0] = left
                raise
            except StoreError as error:
                refused = refused or error
                left.append(self._owed[0])
            del self._owed[0]
        self._owed = left
        if refused is not None:
            raise refused

    def _open(self) -> Database:
        if self._database is None:
            self._database, repaired = open_or_repair(
                self._path, self._clock, busy_timeout_s=self._busy_timeout_s, migrate=self._migrates
            )
            if repaired:
                self.repairs.append(repaired)
        elif not self._database.is_current():
            self._database = lost.reopen(self._database, self._clock, busy_timeout_s=self._busy_timeout_s)
            self._on_reopened(self._database)
        return self._database

    def _repair(self, reason: str) -> None:
        with suppress(StoreReplacedError):  # another process did it meanwhile; `_open` sees it
            self._database, repaired = repair(
                self._path, self._clock.now(), reason, opened=self._database, busy_timeout_s=self._busy_timeout_s
            )
            if repaired:
                self.repairs.append(repaired)
            self._on_reopened(self._database)
