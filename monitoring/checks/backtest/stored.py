"""The readings that runs of this host have stored, judged again: what another limit would have said. No network.

Called by `command` in place of chains where only limits, severities or waiting differ: the formula, its contracts and
the verb of a check must be those of its stored readings, or it is left out.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from monitoring.alerts.recording.store_alert import NOBODY
from monitoring.base.errors import StoreError
from monitoring.checks.backtest.past import PastWorld
from monitoring.checks.backtest.steps import PastMonitor, PastRun
from monitoring.checks.engine.evaluate import evaluate
from monitoring.checks.engine.formula_checks import FormulaPart
from monitoring.checks.engine.monitor import Monitor
from monitoring.checks.engine.point import EvaluationPoint
from monitoring.checks.engine.python_checks import Given, GivenPart
from monitoring.checks.engine.runner import recalled
from monitoring.checks.rules.verb import verb
from monitoring.conditions.condition import ConditionKey
from monitoring.conditions.values import Unknown
from monitoring.store.db.handle import ReadOnlyStore
from monitoring.store.readings.reading import ReadingState
from monitoring.store.readings.replayed import ReplayedSeries, replayed
from monitoring.store.readings.stretches import ReadingStretch

_BOUND = re.compile(r"\s*(?:<=|>=|<|>)\s*[\d_.]+(?:e\d+)?%?\s*$")
_SKIPPED = (ReadingState.PAUSED, ReadingState.HAPPENED)
_UNSEEN = Unknown("it had no data when it was read")


def stored_series(
    store: ReadOnlyStore, monitors: Sequence[str], since: datetime, until: datetime
) -> Mapping[ConditionKey, ReplayedSeries]:
    """Return the readings of monitors between two instants; nothing where there is no store that has any."""
    with suppress(StoreError):
        return store.read(lambda database: database.read(lambda tx: replayed(tx, monitors, since, until)))
    return {}


def _at(series: ReplayedSeries, when: datetime, every: timedelta) -> ReadingStretch | None:
    """Return what was known at an instant; none where nothing was read for longer than a step."""
    place = bisect_right(series.found, when, key=lambda one: one.first_at)
    last = series.found[place - 1] if place else None
    return last if last is not None and when - last.last_at < every else None


@dataclass
class StoredMonitor(PastMonitor):
    """A monitor whose checks are judged on what is stored of them."""

    series: Mapping[ConditionKey, ReplayedSeries] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._parts = self.monitor.parts()
        for part in self._parts:
            if why := _why_not(part, self.series.get(part.key)):
                self.left_out[part.key] = why

    def given(self, at: datetime, every: timedelta) -> Given:
        """Return the checks with what was known of each at an instant; one that was not read then is not judged."""
        found: list[GivenPart] = []
        for part in self.parts():
            stretch = _at(self.series[part.key], at, every)
            if isinstance(part, FormulaPart) and stretch is not None and stretch.state not in _SKIPPED:
                found.append(GivenPart(part.key, part.route, part.subject, _reading(part, stretch), causes=part.causes))
        return Given(self.name, self.route, found)


def _why_not(part: object, series: ReplayedSeries | None) -> str:
    """Return why a check cannot be judged on stored readings, nothing if it can."""
    if not isinstance(part, FormulaPart) or part.check.asks is not None:
        return "is no formula"
    if part.check.at_once is not None:
        return "has an at_once, whose value is not stored"
    if series is None or not series.found:
        return "has no stored readings in this time"
    return _difference(part, series)


def _difference(part: FormulaPart, series: ReplayedSeries) -> str:
    """Return in what a check differs from that whose readings are stored, but for its limits."""
    here = [(name, address) for chain, address, name in series.contracts if name and chain == part.key.chain]
    is_moved = any(part.scene.names.get(name) != address for name, address in here)
    if is_moved or _BOUND.sub("", series.formula) != _BOUND.sub("", part.subject.formula):
        return "reads something else than its stored readings"
    if series.verb != part.subject.verb:
        return "is judged in another way than its stored readings"
    known = [one.value for one in series.found if one.state is not ReadingState.NO_DATA]
    return "has stored readings that are no numbers" if known and not any(one is not None for one in known) else ""


def _reading(part: FormulaPart, stretch: ReadingStretch) -> object:
    if stretch.state is ReadingState.NO_DATA or stretch.value is None:
        return _UNSEEN
    pair = (stretch.value, stretch.reference)[: len(part.check.trees)]
    return _UNSEEN if None in pair else verb(part.check.verb).combine(pair)


def is_enough(monitors: Sequence[StoredMonitor], since: datetime, every: timedelta) -> bool:
    """Return whether every check can be judged on what is stored, from the first step on.

    A check that uses one of `values` may read something else under the same formula: then chains are asked.
    """
    for one in monitors:
        uses_values = isinstance(one.monitor, Monitor) and bool(one.monitor.values)
        if one.left_out or uses_values or not one.parts():
            return False
        if any(_at(one.series[part.key], since, every) is None for part in one.parts()):
            return False
    return bool(monitors)


@dataclass
class StoredRun(PastRun):
    """One version of the files, played on stored readings."""

    every: timedelta = timedelta(hours=1)

    def _step_of_files(self, world: PastWorld, at: datetime, redact: Callable[[str], str]) -> None:
        point = EvaluationPoint(world.environ, self.clock, redact=redact)
        given = [one.given(at, self.every) for one in self.monitors if isinstance(one, StoredMonitor)]
        remembered = recalled(given, point, self.store, NOBODY)
        self._record(evaluate(given, point, remembered), remembered, at)
