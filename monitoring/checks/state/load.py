"""What is remembered between runs of checks: conditions as rows of the store, and what chains are worth remembering.

Called by `runner.py`, `explain` and Python monitors. Reads only; `save.py` writes.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from monitoring.alerts.recording.close_orphaned import SOURCES
from monitoring.alerts.recording.store_alert import AlertOrigin
from monitoring.alerts.recording.unheard import with_unheard
from monitoring.base.clock import Clock
from monitoring.base.errors import StoreError
from monitoring.chains.rpc.memory import FORGOTTEN_AFTER, RunMemory
from monitoring.checks.state.old_values import OldValue, old_values
from monitoring.conditions.condition import Condition, ConditionKey
from monitoring.conditions.silence import Silence
from monitoring.store.db.database import Database
from monitoring.store.db.handle import ReadOnlyStore, SteadyStore
from monitoring.store.people import pauses
from monitoring.store.people.pauses import Pause, PauseKind
from monitoring.store.tables import chain_memory, silences
from monitoring.store.tables import conditions as stored

ENGINE = "checks"  # under whose name bugs of those who answer the checks' questions are reported


@dataclass(frozen=True, slots=True)
class LoadedState:
    """The conditions of the monitors of a task and of all sources, as they were read; all that have no data.

    `declared` counts the checks of all monitor files, to say what part of them a source takes away. `task` asks.
    `silences` and `pauses` of checks are those that hold now, `first` where conditions that remember nothing start
    from.
    """

    conditions: Mapping[ConditionKey, Condition]
    without_data: Mapping[ConditionKey, Condition]
    declared: int = 0
    task: str | None = None
    silences: tuple[Silence, ...] = ()
    first: Mapping[ConditionKey, OldValue] = field(default_factory=dict)
    pauses: tuple[Pause, ...] = ()

    def paused_by(self, key: ConditionKey) -> Pause | None:
        return next((pause for pause in self.pauses if pause.covers_check(key)), None)

    @property
    def starting(self) -> Mapping[ConditionKey, Condition]:
        """Return the conditions with what those remember that start from an old value."""
        known = {key: self.conditions.get(key) or Condition(key) for key in self.first}
        started = {key: replace(one, memory=self.first[key].memory) for key, one in known.items()}
        return {**self.conditions, **started}


NOTHING = LoadedState({}, {})


def recall(database: Database, monitors: Iterable[str], now: datetime, origin: AlertOrigin) -> LoadedState:
    """Read what is remembered, at one moment."""
    names = dict.fromkeys([*monitors, SOURCES, ENGINE])
    with database.snapshot() as tx:
        found = [row for name in names for row in stored.of_monitor(tx, name)]
        without_data = {row.key: row for row in stored.without_data(tx)}
        declared = stored.count_declared(tx)
        holding = tuple(silences.active(tx, now))
        paused = tuple(each for each in pauses.active(tx, now) if each.kind is PauseKind.CHECK)
        known = {row.key: row if origin.debug else with_unheard(tx, row, now) for row in found}
    first = old_values(database, names, known, now)
    return LoadedState(known, without_data, declared, origin.task, holding, first, paused)


class StoredMemory(RunMemory):
    """Remembers across runs: reads from the store, and gathers what is new until the run is recorded."""

    def __init__(self, store: SteadyStore | ReadOnlyStore, clock: Clock) -> None:
        super().__init__()
        self._store = store
        self._clock = clock
        self._lock = threading.Lock()  # chains are read from several threads
        self._missing: set[tuple[str, str]] = set()

    def recall(self, kind: str, key: str) -> str | None:
        with self._lock:
            known = super().recall(kind, key)
            if known is None and (kind, key) not in self._missing:
                known = self._look_up(kind, key)
            return known

    def _look_up(self, kind: str, key: str) -> str | None:
        try:
            found = self._store.read(lambda database: chain_memory.get(database, kind, key))
        except StoreError:
            found = None  # it costs a request
        counts_for = FORGOTTEN_AFTER.get(kind)
        if found is None or (counts_for is not None and self._clock.now() - found[1] > counts_for):
            self._missing.add((kind, key))
            return None
        self._texts[kind, key] = found[0]  # known, and not new
        return found[0]
