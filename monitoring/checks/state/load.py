"""What is remembered between runs of checks: conditions as rows of the store, and what chains are worth remembering.

Called by `runner.py`, `explain` and Python monitors. Reads only; `recording.py` writes.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from monitoring.alerts.conditions.close_orphaned import SOURCES
from monitoring.alerts.conditions.rules import is_untold
from monitoring.base.clock import Clock, to_text
from monitoring.base.errors import StoreError
from monitoring.chains.rpc.memory import JUDGED, JUDGED_FOR, RunMemory
from monitoring.checks.engine.plan import Key
from monitoring.checks.rules.condition import Condition
from monitoring.checks.state.row import ConditionRow, from_row
from monitoring.store.db.database import Database, Tx
from monitoring.store.db.handle import ReadOnlyStore, SteadyStore
from monitoring.store.tables import alerts as stored_alerts
from monitoring.store.tables import chain_memory
from monitoring.store.tables import conditions as stored
from monitoring.store.tables.conditions import ConditionKey


@dataclass(frozen=True, slots=True)
class LoadedState:
    """The rows of the monitors of a task and of all sources, as they were read; all that is blind; what was untold.

    `declared` counts the checks of all monitor files, to say what part of them a source takes away.
    """

    rows: Mapping[Key, stored.Condition]
    blind: Mapping[Key, stored.Condition]
    untold: frozenset[Key]
    declared: int = 0

    @property
    def conditions(self) -> dict[Key, Condition]:
        return {key: condition_of(row) for key, row in self.rows.items()}


NOTHING = LoadedState({}, {}, frozenset())


def recall(database: Database, monitors: Iterable[str], now: datetime, *, debug: bool) -> LoadedState:
    """Read what is remembered, at one moment."""
    with database.snapshot() as tx:
        rows = {
            key_of(row.key): row
            for monitor in dict.fromkeys([*monitors, SOURCES])
            for row in stored.of_monitor(tx, monitor)
        }
        blind = {key_of(row.key): row for row in stored.blind(tx)}
        untold = frozenset() if debug else frozenset(key for key, row in rows.items() if _is_untold(tx, row, now))
        declared = stored.count_declared(tx)
    return LoadedState(rows, blind, untold, declared)


def _is_untold(tx: Tx, row: stored.Condition, now: datetime) -> bool:
    """Tell whether a firing condition's message reached nobody; what a silence holds back is released by delivery."""
    if row.state != "firing" or row.alert_id is None:
        return False
    last = stored_alerts.get(tx, row.alert_id)
    status = last.delivery_status if last else None
    return status != "silenced" and is_untold(row, status, now)


def key_of(key: ConditionKey) -> Key:
    return Key(key.monitor, key.check, int(key.chain) if key.chain.isdecimal() else 0, key.subject)


def row_key(key: Key) -> ConditionKey:
    return ConditionKey(key.monitor, key.check, str(key.chain) if key.chain else "", key.subject)


def condition_of(row: stored.Condition) -> Condition:
    """Read a row as the verbs know it; one that a plain script wrote has no memory."""
    return from_row(
        ConditionRow(
            state=row.state,
            severity=row.severity if row.state != "ok" else None,
            since=to_text(row.since) if row.since else None,
            last_sent=to_text(row.last_sent_at) if row.last_sent_at else None,
            data=row.data_json or "{}",
        )
    )


class StoredMemory(RunMemory):
    """Remembers across runs: reads from the store, and gathers what is new until the run is recorded."""

    def __init__(self, store: SteadyStore | ReadOnlyStore, clock: Clock) -> None:
        super().__init__()
        self._store = store
        self._clock = clock
        self._lock = threading.Lock()  # chains are read from several threads
        self._missing: set[tuple[str, str]] = set()
        self.new: dict[tuple[str, str], str] = {}

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
        if found is None or (kind == JUDGED and self._clock.now() - found[1] > JUDGED_FOR):
            self._missing.add((kind, key))
            return None
        super().remember(kind, key, found[0])
        return found[0]

    def remember(self, kind: str, key: str, value: str) -> None:
        super().remember(kind, key, value)
        self.new[kind, key] = value
