"""The store as a task holds it: opened when first needed, again when it was replaced, repaired when damaged.

Called by monitors and by the runner of checks. What a failure means is the caller's to say.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from monitoring.base.clock import Clock
from monitoring.base.errors import StoreError
from monitoring.store.db import lost
from monitoring.store.db.database import Database, StoreDamagedError, StoreReplacedError, Tx
from monitoring.store.db.schema import open_readonly
from monitoring.store.maintenance.repair import open_or_repair, repair

_T = TypeVar("_T")


class ReadOnlyStore:
    """The database at `path` for looking alone: nothing is created, migrated or repaired."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self, act: Callable[[Database], _T]) -> _T:
        """Do something with the open database.

        Raises:
            StoreError: there is none, or it cannot be read.
        """
        if not self._path.exists():
            raise StoreError(f"{self._path}: there is no database yet")
        with open_readonly(self._path) as database:
            return act(database)


class SteadyStore:
    """The database at `path`. Threads that read several chains use its one connection in turn."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self.path = path
        self._clock = clock
        self._database: Database | None = None
        self._turn = threading.RLock()

    def write(self, act: Callable[[Tx], _T]) -> _T:
        """Do something in one transaction; all of it is on disk afterwards. It may be called twice.

        Raises:
            StoreError: nothing is written.
        """

        def write(database: Database) -> _T:
            with database.write() as tx:
                return act(tx)

        return self.read(write)

    def read(self, act: Callable[[Database], _T]) -> _T:
        """Do something with the open database.

        Raises:
            StoreError: it cannot be read.
        """
        with self._turn:
            try:
                return act(self._open())
            except StoreReplacedError:
                pass
            except StoreDamagedError as damage:
                self._repair(damage)
            return act(self._open())

    def _repair(self, damage: StoreDamagedError) -> None:
        with suppress(StoreReplacedError):  # another process did it meanwhile; `_open` sees it
            self._database, _ = repair(self.path, self._clock.now(), str(damage), opened=self._database)

    def close(self) -> None:
        if self._database is not None:
            lost.close(self._database, self._clock)
            self._database = None

    def _open(self) -> Database:
        if self._database is None:
            self._database, _ = open_or_repair(self.path, self._clock)
        elif not self._database.is_current():
            self._database = lost.reopen(self._database, self._clock)
        return self._database
