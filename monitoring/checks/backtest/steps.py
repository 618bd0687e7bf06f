"""Runs one version of monitor files through the steps, each judged, worded and recorded as a run does it.

It remembers in a store of its own, in memory where the machine has such a folder. The live store is never written, and
nothing delivers what is stored here.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar, Protocol

from monitoring.alerts.recording.store_alert import NOBODY
from monitoring.checks.backtest.history import PastHistory
from monitoring.checks.backtest.past import NO_PAST, PastWorld, past_point
from monitoring.checks.engine.evaluate import Evaluation, evaluate
from monitoring.checks.engine.monitor import EvaluatedMonitor, MonitorWrapper
from monitoring.checks.engine.plan import CheckInstance
from monitoring.checks.engine.runner import recalled
from monitoring.checks.state.load import LoadedState, StoredMemory
from monitoring.checks.state.save import record_in
from monitoring.conditions.condition import ConditionKey
from monitoring.store.db.database import Tx
from monitoring.store.db.handle import SteadyStore
from monitoring.store.queries.alerts import AlertRow, Filter, newest

_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of random name in it, as a drill's: thousands of steps sync no disk
_MOST_ALERTS = 100_000
_ASKED = re.compile(rf"([\w.-]+): {NO_PAST}")


@dataclass
class StepClock:
    """Shows the step that is judged; deadlines run in our own time."""

    at: datetime

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return time.monotonic()


@dataclass
class PastMonitor(MonitorWrapper):
    """A monitor without the checks that have no past; `left_out` says of each what it asks."""

    monitor: EvaluatedMonitor
    left_out: dict[ConditionKey, str] = field(default_factory=dict)
    declared: ClassVar[bool] = True
    _parts: tuple[CheckInstance, ...] = ()

    def __post_init__(self) -> None:
        self._parts = self.monitor.parts()
        for part in self._parts:
            if getattr(part, "of_now", False):
                self.left_out[part.key] = "reads the present alone"

    def parts(self) -> tuple[CheckInstance, ...]:
        return tuple(part for part in self._parts if part.key not in self.left_out)

    def leave_out(self, key: ConditionKey, why: str) -> bool:
        """Leave out a check, of a list the whole check; return whether that changes anything."""
        keys = {part.key for part in self.parts()}
        found = next((one for one in (key, replace(key, subject="")) if one in keys), None)
        if found is None or key.monitor != self.name:
            return False
        self.left_out[found] = why
        return True


class PastScript(Protocol):
    """A Python monitor, run at each step by the toolkit of scripts; `left_out` says of a check what it asks."""

    @property
    def name(self) -> str: ...

    @property
    def left_out(self) -> Mapping[ConditionKey, str]: ...

    def step(self, world: PastWorld, at: datetime, run: PastRun) -> None:
        """Run it at a step and note what came of it; if the world is stopped meanwhile, nothing is recorded."""
        ...


@dataclass
class PastRun:
    """One version of the files; `name` is how people call it."""

    name: str
    monitors: Sequence[PastMonitor]
    store: SteadyStore
    clock: StepClock
    scripts: Sequence[PastScript] = ()
    history: PastHistory = field(default_factory=PastHistory)
    traces: dict[str, None] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        return [one.name for one in self._all]

    @property
    def left_out(self) -> Mapping[ConditionKey, str]:
        """Return each check that has no past, and what it asks."""
        return {key: why for one in self._all for key, why in one.left_out.items()}

    @property
    def _all(self) -> Sequence[PastMonitor | PastScript]:
        return [*self.monitors, *self.scripts]

    def step(self, world: PastWorld, at: datetime, redact: Callable[[str], str]) -> bool:
        """Judge one step and record it; return whether the world answered all of it."""
        self.clock.at = at
        self.history.begin(at)
        if self.monitors:
            self._step_of_files(world, at, redact)
        for script in self.scripts:
            script.step(world, at, self)
        if world.stopped:
            self.history.steps.pop()  # it was not judged
        return not world.stopped

    def _step_of_files(self, world: PastWorld, at: datetime, redact: Callable[[str], str]) -> None:
        while not world.stopped:
            point = past_point(world, at, StoredMemory(self.store, self.clock), redact)
            remembered = recalled(self.monitors, point, self.store, NOBODY)
            evaluation = evaluate(self.monitors, point, remembered)
            if not world.stopped and not self._leave_out(evaluation):
                self._record(evaluation, remembered, at)
                break

    def _record(self, evaluation: Evaluation, remembered: LoadedState, at: datetime) -> None:
        self.traces |= dict.fromkeys(evaluation.traces)

        def write(tx: Tx) -> int:
            return record_in(tx, evaluation.record, at, NOBODY)

        self.store.write(write)
        self.history.add(evaluation, remembered)

    def _leave_out(self, evaluation: Evaluation) -> bool:
        """Leave out what asks somebody who only knows the present; return whether there was any."""
        changed = False
        for entry in evaluation.checks:
            unseen = entry.seen.outcome.condition.no_data
            asked = _ASKED.search(unseen.reason) if unseen else None
            if asked is not None:
                changed |= any(one.leave_out(entry.seen.key, f"asks {asked[1]}") for one in self.monitors)
        return changed

    def alerts(self, until: datetime) -> list[AlertRow]:
        """Return what would have gone out up to a step, oldest first."""
        wanted = Filter(until=until + timedelta(microseconds=1))
        return self.store.read(lambda database: newest(database, wanted, _MOST_ALERTS))[::-1]


@contextmanager
def past_run(
    name: str, monitors: Sequence[EvaluatedMonitor], begin: datetime, scripts: Sequence[PastScript] = ()
) -> Iterator[PastRun]:
    """Open a run that remembers nothing yet."""
    with private_store(begin) as (store, clock):
        yield PastRun(name, [PastMonitor(one) for one in monitors], store, clock, scripts)


@contextmanager
def private_store(begin: datetime) -> Iterator[tuple[SteadyStore, StepClock]]:
    """Open a store that is gone afterwards, and the clock of its run."""
    clock = StepClock(begin)
    with TemporaryDirectory(prefix="monitoring-backtest-", dir=_MEMORY if _MEMORY.is_dir() else None) as folder:
        store = SteadyStore(Path(folder) / "monitoring.db", clock)
        with closing(store):
            yield store, clock
