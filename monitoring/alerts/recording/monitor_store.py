"""A monitor's access to the store: its alerts and its memory. Called by `utils.context`."""

from __future__ import annotations

from monitoring.alerts.recording.store_alert import AlertOrigin, Recorded
from monitoring.alerts.recording.unit_of_work import Step, commit_in
from monitoring.base.clock import Clock
from monitoring.store.db.handle import SteadyStore
from monitoring.store.tables import state


class MonitorStore:
    """One monitor's alerts and memory."""

    def __init__(self, store: SteadyStore, clock: Clock, origin: AlertOrigin, namespace: str) -> None:
        self._store = store
        self._clock = clock
        self._origin = origin
        self.namespace = namespace

    def commit(self, steps: list[Step]) -> list[Recorded]:
        """Write all steps in one transaction; return what came of each that raises or resolves.

        Raises:
            StoreError: nothing is written.
        """
        return self._store.write(lambda tx: commit_in(tx, steps, self._clock.now(), self._origin))

    def read(self, key: str) -> state.StoredValue | None:
        """Return a remembered value with its time.

        Raises:
            StoreError: the store cannot be read.
        """
        return self._store.read(lambda database: state.get(database, self.namespace, key))

    def close(self) -> None:
        self._store.close()
