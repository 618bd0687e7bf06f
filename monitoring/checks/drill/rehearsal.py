"""The world of a drill: simulated chains, recorded services, a clock that moves by hand, and a store of its own.

Made by `rehearse`. Every run in it is evaluated, worded and recorded as in service; nothing is sent, and this host's
state is neither read nor written.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from monitoring.alerts.recording.store_alert import NOBODY
from monitoring.base.http.client import Answer, Request
from monitoring.checks.builtin.shared.contract_logs import LogsSince, answer_logs
from monitoring.checks.drill.entry_problems import as_abi
from monitoring.checks.drill.events import LOGS, DrilledEvents
from monitoring.checks.drill.file import DrilledMonitor
from monitoring.checks.engine.plan import CheckInstance
from monitoring.checks.engine.point import EvaluationPoint
from monitoring.checks.engine.resolvers import read_views
from monitoring.checks.engine.runner import run
from monitoring.checks.expression.evaluate import ViewRead
from monitoring.checks.expression.values import Value
from monitoring.checks.messages.listing_value import bound_in_words, value_in_words
from monitoring.checks.messages.plain import AlertRoute
from monitoring.checks.recorded.replay import Replay
from monitoring.checks.recorded.sim_chain import Reverts, SimChain
from monitoring.conditions.condition import Condition, ConditionKey
from monitoring.conditions.outcome import Outcome, TransitionKind
from monitoring.conditions.policy import PendingPolicy
from monitoring.store.db.handle import SteadyStore

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
BETWEEN = timedelta(hours=1)
_TWICE = PendingPolicy(runs=2)  # as most that wait do; one that does not says nothing the second time
_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of random name in it, where the machine has one: a drill syncs no disk


@dataclass(frozen=True)
class StoppedClock:
    """Shows one instant, for what is evaluated in no time of its own."""

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
    declared: bool = True
    route: AlertRoute = field(default_factory=lambda: AlertRoute("drill"))
    sources: Mapping[str, Any] = field(default_factory=dict)
    answers: Mapping[type, Any] = field(default_factory=dict)

    def parts(self) -> tuple[CheckInstance, ...]:
        return self.checks


class Rehearsal:
    """Simulated chains and recorded services, read as a run reads them, and a store."""

    def __init__(self, scene: DrilledMonitor, folder: Path) -> None:
        self.scene, self.now = scene, NOW
        self.conditions: dict[ConditionKey, Condition] = {}
        self.values: dict[ConditionKey, str] = {}
        self.shown: dict[ConditionKey, str] = {}
        self.asked: set[Any] = set()  # views, and recordings by their path
        self.lost: set[Any] = set()
        self.answers: dict[Any, Any] = {}
        self.store = SteadyStore(folder / "drill.db", StoppedClock(NOW))
        self.events = DrilledEvents(scene)
        answers = {ViewRead: self._read_views, LogsSince: self._read_logs}
        self._monitor = _Parts(scene.monitor.name, scene.parts, sources=scene.monitor.sources, answers=answers)

    def _read_logs(self, questions: Sequence[LogsSince], at: EvaluationPoint) -> Mapping[Any, Any]:
        self.asked.add(LOGS)
        return answer_logs(questions, at)

    def _read_views(self, calls: Sequence[ViewRead], at: EvaluationPoint) -> Mapping[Any, Any]:
        """Note what is asked, and read it as a run does."""
        self.asked |= {*calls}
        return read_views(calls, at)

    def run(
        self,
        changes: Mapping[str, Any] | None = None,
        damage: Callable[[Replay], None] | None = None,
        *,
        malformed: bool = False,
    ) -> dict[ConditionKey, Outcome]:
        """Evaluate once, an hour after the last time, with some of the answers changed; services are really read."""
        self.answers = self.scene.answers(self.now, changes)
        replay = self.scene.replay(self.now, changes)
        replay.down = {path for path in replay.recordings if path in self.lost}
        if damage is not None:
            damage(replay)
        clock = StoppedClock(self.now)
        chains = simulated({view: answer for view, answer in self.answers.items() if view not in self.lost})
        self.events.put_on(chains, changes or {}, self.now, lost=LOGS in self.lost, malformed=malformed)
        environ = {name: value for chain in chains.values() for name, value in chain.environ.items()}

        def fetch(request: Request, timeout_s: float) -> Answer:
            chain = chains.get(request.url)
            return chain.fetch(request, clock) if chain else replay(request, timeout_s)

        at = EvaluationPoint(environ, clock, fetch=fetch, sleep=lambda _: None)
        ran = run([self._monitor], at, self.store, NOBODY)
        self.asked |= replay.asked
        if ran.error is not None:
            raise ran.error
        outcomes = {one.key: one.outcome for one in ran.seen}
        self.values = {one.key: value_in_words(one.part, one.reading) for one in ran.seen}
        self.shown = {one.key: f"{self.values[one.key]} (limit {bound_in_words(one.part) or '-'})" for one in ran.seen}
        self.conditions = {key: one.condition for key, one in outcomes.items()}
        self.now += BETWEEN
        return outcomes

    def messages(
        self, changes: Mapping[str, Any] | None = None, waits: PendingPolicy | None = None
    ) -> dict[ConditionKey, tuple[TransitionKind, str]]:
        """Run until `waits` is over, at least twice, and return what would be sent: its kind and severity."""
        waits = waits or _TWICE
        runs = [self.run(changes)]
        for _ in range(max(waits.runs, _TWICE.runs) - 1):
            self.now += max(waits.span - BETWEEN, timedelta(0))
            runs.append(self.run(changes))
        return {
            key: (one.transition.kind, one.transition.severity.name.lower())
            for outcomes in reversed(runs) for key, one in outcomes.items() if one.transition
        }  # fmt: skip


def simulated(answers: Mapping[ViewRead, Value]) -> dict[str, SimChain]:
    """Return a chain for each that is asked, by its address; a view without an answer reverts."""
    tables: dict[int, dict[tuple[str, str], dict[tuple[Any, ...], Any]]] = {}
    for view, answer in answers.items():
        table = tables.setdefault(view.chain, {})
        table.setdefault((view.target, str(view.signature)), {})[as_abi(view.arguments)] = as_abi(answer)
    chains = [
        SimChain({view: functools.partial(_answer, found) for view, found in table.items()}, chain)
        for chain, table in tables.items()
    ]
    return {chain.url: chain for chain in chains}


def _answer(answers: Mapping[tuple[Any, ...], Any], *arguments: Any) -> Any:  # noqa: ANN401 - a value of the ABI
    return answers.get(as_abi(arguments), Reverts("no answer (the drill)"))


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
