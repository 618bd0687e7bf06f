"""Runs the drill of a monitor on a simulated chain, with a store of its own.

Called by `python -m monitoring.checks test`, and by the tests of what ships. Every run is evaluated, worded and
recorded as in service; nothing is sent, and this host's state is neither read nor written.
"""

from __future__ import annotations

import functools
import os
import re
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
from monitoring.checks.drill.broken_answers import reading_problems
from monitoring.checks.drill.broken_prices import price_problems
from monitoring.checks.drill.entry_problems import as_abi
from monitoring.checks.drill.events import LOGS, DrilledEvents, malformed_problems, parts_with_events
from monitoring.checks.drill.file import DrilledMonitor, DrillEntry
from monitoring.checks.drill.waiting import instants, waiting_problem
from monitoring.checks.engine.formula_checks import FormulaPart
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
from monitoring.conditions.outcome import Outcome, Reason, TransitionKind
from monitoring.conditions.policy import PendingPolicy
from monitoring.store.db.handle import SteadyStore

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
_BETWEEN = timedelta(hours=1)
_NEAR = timedelta(minutes=1)
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
        self.now += _BETWEEN
        return outcomes

    def messages(
        self, changes: Mapping[str, Any] | None = None, waits: PendingPolicy | None = None
    ) -> dict[ConditionKey, tuple[TransitionKind, str]]:
        """Run until `waits` is over, at least twice, and return what would be sent: its kind and severity."""
        waits = waits or _TWICE
        runs = [self.run(changes)]
        for _ in range(max(waits.runs, _TWICE.runs) - 1):
            self.now += max(waits.span - _BETWEEN, timedelta(0))
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
        if drill.at is not None:
            _fires_from(scene, drill, results[drill.check], drill.at)
            continue
        _fires(scene, drill, results[drill.check])
        if drill.quiet:
            _stays_quiet(scene, drill, results[drill.check])
        _once_it_fires(scene, drill, results[drill.check])
        if drill.waits is not None:
            _waits(scene, drill, results[drill.check], drill.waits)
        if drill.baseline is not None:
            _forgets(scene, drill, results[drill.check], drill.baseline)
    _without_data(scene, results)
    _broken_answers(scene, results)
    if parts_with_events(scene):
        with rehearsing(scene) as world:
            for check, problems in malformed_problems(world).items():
                results[check].problems += problems
                results[check].did.append("no data from a malformed event")
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
                    results[key.check].problems.append(f"no data when all is well: {_missing(world, one.condition)}")
                elif one.transition:
                    results[key.check].problems.append(f"fires when all is well: {key.text} is {world.shown[key]}")
    for result in results.values():
        result.problems = list(dict.fromkeys(result.problems))


def _missing(world: Rehearsal, condition: Condition) -> str:
    names = {address: name for scene in world.scene.scenes for name, address in scene.names.items()}
    asked = sorted(
        _as_written(one, names) for one in world.asked if isinstance(one, ViewRead) and one not in world.answers
    )
    if asked:
        return f"`well` has no answer for {', '.join(asked)}"
    return condition.no_data.reason if condition.no_data else "an answer of `well` cannot be used"


def _as_written(call: ViewRead, names: Mapping[Any, str]) -> str:
    """Return a call as a drill writes it: `vault.convertToAssets(1e24)`."""
    texts = [names.get(one, str(one)) for one in call.arguments]
    short = [f"1e{len(text) - 1}" if re.fullmatch("10{6,}", text) else text for text in texts]
    return f"{names.get(call.target, call.target)}.{call.signature.partition('(')[0]}({', '.join(short)})"


def _fires(scene: DrilledMonitor, drill: DrillEntry, result: CheckResult) -> None:
    with rehearsing(scene) as world:
        world.run()
        sent = world.messages(drill.when, drill.waits)
        wanted = _wanted(world, drill)
        if not wanted:
            here = sorted({key.subject for key in world.conditions if key.check == drill.check})
            known = f", known are {', '.join(here)}" if any(here) else ""
            result.problems.append(f"line {drill.line}: no row is called {', '.join(drill.only)}{known}")
        for key in sorted(wanted, key=str):
            if sent.get(key) != (TransitionKind.FIRED, drill.fires):
                did = " ".join(sent[key]) if key in sent else "did not fire"
                value = world.shown[key]
                result.problems.append(f"line {drill.line}: {key.text} must fire {drill.fires}, {did}: it is {value}")
        for key in sorted(wanted, key=str):
            if drill.shows and drill.shows != world.values[key]:
                wrong = f"{key.text} must be shown as {drill.shows}, it is {world.values[key]}"
                result.problems.append(f"line {drill.line}: {wrong}")
        for name in sorted({key.check for key in sent.keys() - wanted} - {*drill.also}):
            result.problems.append(f"line {drill.line}: {name} fires along: add it to `also`, or change `when`")
    result.did.append(f"fires {drill.fires}")


def _fires_from(scene: DrilledMonitor, drill: DrillEntry, result: CheckResult, at: datetime) -> None:
    """Run just before an instant and at it: what is written as a date has no answers to change."""
    for now, fires in ((at - _NEAR, False), (at, True)):
        with rehearsing(scene) as world:
            world.now = now
            for key, one in world.run().items():
                did = one.transition.severity.name.lower() if one.transition and key.check == drill.check else "nothing"
                if key.check == drill.check and did != (drill.fires if fires else "nothing"):
                    result.problems.append(
                        f"line {drill.line}: {key.text} at {now} UTC: {did}, it is {world.shown[key]}"
                    )
    result.did += [f"fires {drill.fires}", "not too early"]


def _stays_quiet(scene: DrilledMonitor, drill: DrillEntry, result: CheckResult) -> None:
    with rehearsing(scene) as world:
        world.run()
        sent = world.messages(drill.quiet, drill.waits)
        result.problems += [
            f"line {drill.line}: {key.text} must stay quiet, {' '.join(what)}: it is {world.shown[key]}"
            for key, what in sent.items()
        ]
    result.did.append("stays quiet")


def _once_it_fires(scene: DrilledMonitor, drill: DrillEntry, result: CheckResult) -> None:
    """Change a breach: it gets worse, or is over, where the drill says so, and not before."""
    worse, over = TransitionKind.WORSENED, TransitionKind.RECOVERED
    for changes, kind, must, did in (
        (drill.worse, worse, True, "get worse"),
        (drill.steady, worse, False, "get worse"),
        (drill.over, over, True, "be over"),
        (drill.holds, over, False, "be over"),
    ):
        if not changes:
            continue
        with rehearsing(scene) as world:
            world.run()
            world.messages(drill.when, drill.waits)
            sent = world.messages(changes, drill.waits)
            for key in sorted(_wanted(world, drill), key=str):
                if (key in sent and sent[key][0] is kind) is not must:
                    wish = f"must {'' if must else 'not yet '}{did}"
                    result.problems.append(f"line {drill.line}: {key.text} {wish}: it is {world.shown[key]}")
        result.did.append({worse: "gets worse", over: "is over"}[kind] if must else "not too early")


def _waits(scene: DrilledMonitor, drill: DrillEntry, result: CheckResult, waits: PendingPolicy) -> None:
    """Let the breach last just shorter than the check waits, in which it is pending, and then as long."""
    with rehearsing(scene) as world:
        world.run()
        begun = world.now
        for since in instants(waits, _BETWEEN):
            world.now, is_last = begun + since, since == instants(waits, _BETWEEN)[-1]
            outcomes = world.run(drill.when)
            for key in sorted(_wanted(world, drill), key=str):
                if problem := waiting_problem(outcomes[key], is_last=is_last):
                    where = f"line {drill.line}: {key.text} {problem} {since} after the breach began"
                    result.problems.append(f"{where}: it is {world.shown[key]}")
    result.did.append("waits" if waits != PendingPolicy() else "fires at once")


def _forgets(scene: DrilledMonitor, drill: DrillEntry, result: CheckResult, baseline: timedelta) -> None:
    """Come with the change just before the value it is compared with is too old, and just after."""
    for later, fires in ((-_NEAR, True), (_NEAR, False)):
        with rehearsing(scene) as world:
            world.run()
            world.now += baseline + later - _BETWEEN
            sent = world.messages(drill.when)
            for key in sorted(_wanted(world, drill), key=str):
                if (key in sent) is not fires:
                    must = "must fire" if fires else "must not fire"
                    result.problems.append(
                        f"line {drill.line}: {key.text} {must} {baseline + later} after its baseline"
                    )
    result.did.append("forgets its baseline")


def _wanted(world: Rehearsal, drill: DrillEntry) -> set[ConditionKey]:
    """Return the conditions of a check that a drill is about, of those that were judged."""
    return {
        key for key in world.conditions
        if key.check == drill.check and (not drill.only or key.subject in drill.only)
    }  # fmt: skip


def _without_data(scene: DrilledMonitor, results: Mapping[str, CheckResult]) -> None:
    """Take every input away: each check that applies has no data, and none says anything."""
    constant = {part.key for part in scene.parts if isinstance(part, FormulaPart) and part.reads_nothing}
    with rehearsing(scene) as world:
        applying = {key for key, one in world.run().items() if one.reason is not Reason.DOES_NOT_APPLY} - constant
        world.lost = set(world.asked)
        for key, one in world.run().items():
            if one.transition:
                results[key.check].problems.append(f"fires without data: {key.text}")
            elif key in applying and one.reason is not Reason.UNKNOWN:
                results[key.check].problems.append(f"is judged without data: {key.text} is {world.shown[key]}")
    for result in results.values():
        result.did.append("no data without its inputs")


def _broken_answers(scene: DrilledMonitor, results: Mapping[str, CheckResult]) -> None:
    for name in scene.monitor.sources:
        with rehearsing(scene) as world:
            for check, problems in reading_problems(world, name).items():
                results[check].problems += problems
                results[check].did.append("no data from a broken answer")
    if scene.monitor.reads_prices:
        with rehearsing(scene) as world:
            for check, problems in price_problems(world).items():
                results[check].problems += problems
                results[check].did.append("no data from a broken price")
