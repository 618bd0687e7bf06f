"""A monitor's access to the store: opened when first needed, opened anew when it was replaced, repaired when damaged.

Called by `utils.context`. Reads and writes only; what a failure means is the caller's to say.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from monitoring.alerts.batch import Step, commit_in
from monitoring.alerts.record import Origin, Recorded
from monitoring.clock import Clock
from monitoring.store import state
from monitoring.store.database import Database, StoreDamagedError, StoreReplacedError
from monitoring.store.repair import open_or_repair, repair

_T = TypeVar("_T")


class MonitorStore:
    """One monitor's alerts and memory in the database at `path`."""

    def __init__(self, path: Path, clock: Clock, origin: Origin, namespace: str) -> None:
        self._path = path
        self._clock = clock
        self._origin = origin
        self.namespace = namespace
        self._database: Database | None = None

    def commit(self, steps: list[Step]) -> list[Recorded]:
        """Write all steps in one transaction; return what came of each that raises or resolves.

        Raises:
            StoreError: nothing is written.
        """

        def write(database: Database) -> list[Recorded]:
            with database.write() as tx:
                return commit_in(tx, steps, self._clock.now(), self._origin)

        return self._attempt(write)

    def read(self, key: str) -> state.Remembered | None:
        """Return a remembered value with its time.

        Raises:
            StoreError: the store cannot be read.
        """
        return self._attempt(lambda database: state.get(database, self.namespace, key))

    def close(self) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None

    def _attempt(self, act: Callable[[Database], _T]) -> _T:
        try:
            return act(self._open())
        except StoreReplacedError:
            self.close()
        except StoreDamagedError as damage:
            self.close()
            self._database, _ = repair(self._path, self._clock.now(), str(damage))
        return act(self._open())

    def _open(self) -> Database:
        if self._database is None:
            self._database, _ = open_or_repair(self._path, self._clock)
        return self._database
