"""Runs the drill of a monitor on a simulated chain, with a store of its own.

Called by `python -m monitoring.checks test`, and by the tests of what ships. Every run is evaluated, worded and
recorded as in service; nothing is sent, and this host's state is neither read nor written.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from monitoring.alerts.recording.store_alert import NOBODY
from monitoring.chains.abi.values import Unknown
from monitoring.checks.drill.file import DrilledMonitor, DrillEntry
from monitoring.checks.engine.plan import CheckInstance
from monitoring.checks.engine.point import EvaluationPoint
from monitoring.checks.engine.runner import run
from monitoring.checks.expression.evaluate import ViewRead
from monitoring.checks.messages.listing_value import bound_in_words, value_in_words
from monitoring.checks.messages.plain import AlertRoute
from monitoring.conditions.condition import Condition, ConditionKey
from monitoring.conditions.outcome import Outcome, Reason, TransitionKind
from monitoring.store.db.handle import SteadyStore

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
_BETWEEN = timedelta(hours=1)
_LOST = Unknown("execution reverted", "the drill")
_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of random name in it, where the machine has one: a drill syncs no disk


@dataclass(frozen=True)
class DrillClock:
    at: datetime

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return 0.0


@dataclass(frozen=True)
class _Parts:
    """The checks of a monitor that a drill can try, as a monitor that is evaluated."""

    name: str
    checks: tuple[CheckInstance, ...]
    declared: bool = False
    route: AlertRoute = field(default_factory=lambda: AlertRoute("drill"))
    sources: Mapping[str, Any] = field(default_factory=dict)
    answers: Mapping[type, Any] = field(default_factory=dict)

    def parts(self) -> tuple[CheckInstance, ...]:
        return self.checks


class Rehearsal:
    """A simulated chain with its services, and a store. As `known` of an evaluation it answers and notes questions."""

    def __init__(self, scene: DrilledMonitor, folder: Path) -> None:
        self.scene, self.now = scene, NOW
        self.conditions: dict[ConditionKey, Condition] = {}
        self.shown: dict[ConditionKey, str] = {}
        self.asked: set[Any] = set()
        self.lost: set[Any] = set()
        self.answers: dict[Any, Any] = {}
        self.store = SteadyStore(folder / "drill.db", DrillClock(NOW))
        self._monitor = _Parts(scene.monitor.name, scene.parts)

    def __contains__(self, question: object) -> bool:
        return True

    def __getitem__(self, question: Any) -> Any:  # noqa: ANN401 - a view, or a service's number
        self.asked.add(question)
        return _LOST if question in self.lost else self.answers.get(question, _LOST)

    def run(
        self, changes: Mapping[str, Any] | None = None, sources: Mapping[str, Any] | None = None
    ) -> dict[ConditionKey, Outcome]:
        """Evaluate once, an hour after the last time, with some of the answers changed."""
        self.answers = {**self.scene.answers(self.now, changes), **self.scene.readings(self.now, sources)}
        at = EvaluationPoint({}, DrillClock(self.now), known=self)  # type: ignore[arg-type]  # as much of a Mapping
        ran = run([self._monitor], at, self.store, NOBODY)
        if ran.error is not None:
            raise ran.error
        outcomes = {one.key: one.outcome for one in ran.seen}
        self.shown = {
            one.key: f"{value_in_words(one.part, one.reading)} (limit {bound_in_words(one.part) or '-'})"
            for one in ran.seen
        }
        self.conditions = {key: one.condition for key, one in outcomes.items()}
        self.now += _BETWEEN
        return outcomes

    def messages(
        self, changes: Mapping[str, Any] | None = None, sources: Mapping[str, Any] | None = None
    ) -> dict[ConditionKey, tuple[TransitionKind, str]]:
        """Run twice, as `for: 2 runs` needs it, and return what would be sent: its kind and severity."""
        runs = [self.run(changes, sources), self.run(changes, sources)]
        return {
            key: (one.transition.kind, one.transition.severity.name.lower())
            for outcomes in reversed(runs) for key, one in outcomes.items() if one.transition
        }  # fmt: skip


@contextmanager
def rehearsing(scene: DrilledMonitor) -> Iterator[Rehearsal]:
    """Open a rehearsal that remembers nothing yet."""
    place = _MEMORY if os.access(_MEMORY, os.W_OK) else None
    with TemporaryDirectory(prefix="monitoring-drill-", dir=place) as folder:
        found = Rehearsal(scene, Path(folder))
        try:
            yield found
        finally:
            found.store.close()


@dataclass(slots=True)
class CheckResult:
    """What came of the drills of one check: what it did as it must, and each thing that it did not."""

    check: str
    did: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    is_drilled: bool = True


def rehearse(scene: DrilledMonitor) -> list[CheckResult]:
    """Run every drill of a monitor and return one result a check, in the order of the file."""
    results = {part.key.check: CheckResult(part.key.check) for part in scene.parts}
    _when_all_is_well(scene, results)
    for drill in scene.drills:
        _fires(scene, drill, results[drill.check])
        if drill.quiet or drill.quiet_sources:
            _stays_quiet(scene, drill, results[drill.check])
    _without_data(scene, results)
    for result in results.values():
        result.did = list(dict.fromkeys(result.did))
        result.is_drilled = any(drill.check == result.check for drill in scene.drills)
    return list(results.values())


def _when_all_is_well(scene: DrilledMonitor, results: Mapping[str, CheckResult]) -> None:
    with rehearsing(scene) as world:
        for _ in range(2):
            outcomes = world.run()
            for key, one in outcomes.items():
                if one.reason is Reason.UNKNOWN:
                    results[key.check].problems.append(f"no data when all is well: {_missing(world)}")
                elif one.transition:
                    results[key.check].problems.append(f"fires when all is well: {key.text} is {world.shown[key]}")
    for result in results.values():
        result.problems = list(dict.fromkeys(result.problems))


def _missing(world: Rehearsal) -> str:
    names = {address: name for scene in world.scene.scenes for name, address in scene.names.items()}
    found = [one for one in world.asked if one not in world.answers]
    asked = sorted(_as_written(one, names) if isinstance(one, ViewRead) else str(one[-1]) for one in found)
    return f"`well` has no answer for {', '.join(asked)}" if asked else "an answer of `well` cannot be used"


def _as_written(call: ViewRead, names: Mapping[Any, str]) -> str:
    """Return a call as a drill writes it: `vault.convertToAssets(1e24)`."""
    texts = [names.get(one, str(one)) for one in call.arguments]
    short = [f"1e{len(text) - 1}" if re.fullmatch("10{6,}", text) else text for text in texts]
    return f"{names.get(call.target, call.target)}.{call.signature.partition('(')[0]}({', '.join(short)})"


def _fires(scene: DrilledMonitor, drill: DrillEntry, result: CheckResult) -> None:
    with rehearsing(scene) as world:
        world.run()
        sent = world.messages(drill.when, drill.sources)
        wanted = {
            part.key for part in scene.parts
            if part.key.check == drill.check and (not drill.only or part.key.subject in drill.only)
        }  # fmt: skip
        if not wanted:
            result.problems.append(f"line {drill.line}: no row is called {', '.join(drill.only)}")
        for key in sorted(wanted, key=str):
            if sent.get(key) != (TransitionKind.FIRED, drill.fires):
                did = " ".join(sent[key]) if key in sent else "did not fire"
                value = world.shown[key]
                result.problems.append(f"line {drill.line}: {key.text} must fire {drill.fires}, {did}: it is {value}")
        for name in sorted({key.check for key in sent.keys() - wanted} - {*drill.also}):
            result.problems.append(f"line {drill.line}: {name} fires along: add it to `also`, or change `when`")
    result.did.append(f"fires {drill.fires}")


def _stays_quiet(scene: DrilledMonitor, drill: DrillEntry, result: CheckResult) -> None:
    with rehearsing(scene) as world:
        world.run()
        sent = world.messages(drill.quiet, drill.quiet_sources)
        result.problems += [
            f"line {drill.line}: {key.text} must stay quiet, {' '.join(what)}: it is {world.shown[key]}"
            for key, what in sent.items()
        ]
    result.did.append("stays quiet")


def _without_data(scene: DrilledMonitor, results: Mapping[str, CheckResult]) -> None:
    """Take every input away: each check that applies has no data, and none says anything."""
    with rehearsing(scene) as world:
        applying = {key for key, one in world.run().items() if one.reason is not Reason.DOES_NOT_APPLY}
        world.lost = set(world.asked)
        for key, one in world.run().items():
            if one.transition:
                results[key.check].problems.append(f"fires without data: {key.text}")
            elif key in applying and one.reason is not Reason.UNKNOWN:
                results[key.check].problems.append(f"is judged without data: {key.text} is {world.shown[key]}")
    for result in results.values():
        result.did.append("no data without its inputs")
