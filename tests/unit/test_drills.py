"""Every shipped check, drilled on a simulated chain: fires when it must, quiet when it must, Unknown when blinded."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from monitoring.alerts.recording.store_alert import NOBODY
from monitoring.chains.abi.values import Unknown
from monitoring.checks.engine.point import EvaluationPoint
from monitoring.checks.engine.runner import run
from monitoring.conditions.condition import Condition, ConditionKey, State
from monitoring.conditions.outcome import Outcome, Reason, TransitionKind
from monitoring.store.db.handle import SteadyStore
from tests.support.drills import Drill, Drilled, drill_path, drilled_files, load_drilled
from tests.support.evaluating import Some, StoppedClock

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
FILES = drilled_files()
LOST = Unknown("execution reverted", "the drill")
WELL = {Reason.GOOD, Reason.SEEDED, Reason.NOTHING_NEW, Reason.DOES_NOT_APPLY}


def name_of(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


@cache
def drilled(path: Path) -> Drilled:
    return load_drilled(path)


ENTRIES = [(path, one) for path in FILES if drill_path(path).exists() for one in drilled(path).drills]
BY_ENTRY = pytest.mark.parametrize(
    ("path", "drill"), ENTRIES, ids=[f"{name_of(path)}-{one.check}-{one.fires}" for path, one in ENTRIES]
)
BY_FILE = pytest.mark.parametrize("path", [path for path in FILES if drill_path(path).exists()], ids=name_of)


New = Callable[[Drilled], "World"]


class World:
    """A simulated chain with its services, and a store: each run is evaluated, worded and recorded as the product does.

    As `known` of an evaluation it answers whatever is asked and notes it.
    """

    def __init__(self, scene: Drilled, folder: Path) -> None:
        self.scene, self.now = scene, NOW
        self.conditions: dict[ConditionKey, Condition] = {}
        self.asked: set[Any] = set()
        self.lost: set[Any] = set()
        self.answers: dict[Any, Any] = {}
        self.store = SteadyStore(folder / "drill.db", StoppedClock(NOW))
        self.monitor = Some(scene.parts, name=scene.monitor.name)

    def __contains__(self, question: object) -> bool:
        return True

    def __getitem__(self, question: Any) -> Any:
        self.asked.add(question)
        return LOST if question in self.lost else self.answers.get(question, LOST)

    def run(
        self, changes: Mapping[str, Any] | None = None, sources: Mapping[str, Any] | None = None
    ) -> dict[ConditionKey, Outcome]:
        self.answers = {**self.scene.answers(self.now, changes), **self.scene.readings(self.now, sources)}
        at = EvaluationPoint({}, StoppedClock(self.now), known=self)  # type: ignore[arg-type]  # as much of a Mapping
        ran = run([self.monitor], at, self.store, NOBODY)
        assert not ran.trouble
        assert ran.stored == sum(one.outcome.transition is not None for one in ran.seen)
        outcomes = {one.key: one.outcome for one in ran.seen}
        self.conditions = {key: one.condition for key, one in outcomes.items()}
        self.now += HOUR
        return outcomes

    def told(self, *arguments: Any) -> dict[ConditionKey, tuple[TransitionKind, str]]:
        """Run twice, as `for` may ask for it, and return what was told."""
        runs = [self.run(*arguments), self.run(*arguments)]
        return {
            key: (one.transition.kind, one.transition.severity.name.lower())
            for outcomes in reversed(runs) for key, one in outcomes.items() if one.transition
        }  # fmt: skip


@pytest.fixture
def new_world() -> Iterator[Callable[[Drilled], World]]:
    """Make worlds with a store each, in memory where the machine has such a place."""
    memory = Path("/dev/shm")
    with ExitStack() as stack:

        def new(scene: Drilled) -> World:
            folder = stack.enter_context(TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None))
            world = World(scene, Path(folder))
            stack.callback(world.store.close)
            return world

        yield new


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_every_shipped_check_has_a_drill(path: Path) -> None:
    assert drill_path(path).exists(), f"write {drill_path(path)}: what its checks must fire on"
    scene = drilled(path)

    checks = {part.key.check for part in scene.parts}
    assert {one.check for one in scene.drills} == checks


@BY_FILE
def test_when_all_is_well_nothing_is_said_and_nothing_is_unknown(new_world: New, path: Path) -> None:
    world = new_world(drilled(path))

    for _ in range(3):
        outcomes = world.run()
        assert {key: one.reason for key, one in outcomes.items() if one.reason not in WELL} == {}
        assert not [key for key, one in outcomes.items() if one.transition]
    assert set(world.answers) == world.asked, "the drill speaks of calls that nobody makes"


@BY_ENTRY
def test_a_check_fires_when_it_must_and_says_when_it_is_over(new_world: New, path: Path, drill: Drill) -> None:
    world = new_world(drilled(path))
    world.run()

    told = world.told(drill.when, drill.sources)

    wanted = {
        part.key for part in world.scene.parts
        if part.key.check == drill.check and (not drill.only or part.key.subject in drill.only)
    }  # fmt: skip
    assert wanted
    assert {key: told.get(key) for key in wanted} == dict.fromkeys(wanted, (TransitionKind.FIRED, drill.fires))
    assert {key.check for key in told.keys() - wanted} <= set(drill.also), told
    firing = {key for key, one in world.conditions.items() if one.state is State.FIRING}
    over = world.run()
    assert {
        key for key, one in over.items() if one.transition and one.transition.kind is TransitionKind.RECOVERED
    } == firing


@BY_ENTRY
def test_a_check_is_quiet_as_long_as_it_must(new_world: New, path: Path, drill: Drill) -> None:
    world = new_world(drilled(path))
    world.run()

    assert world.told(drill.quiet, drill.quiet_sources) == {}


@BY_FILE
def test_an_input_that_fails_never_alarms_and_blinds_who_needs_it(new_world: New, path: Path) -> None:
    scene = drilled(path)
    first = new_world(scene)
    applying = {key for key, one in first.run().items() if one.reason is not Reason.DOES_NOT_APPLY}
    inputs = [*first.asked, *scene.readings(NOW)]
    blinded: set[ConditionKey] = set()
    for one in inputs:
        world = new_world(scene)
        world.run()
        world.lost = {one}
        outcomes = world.run()
        unknown = {key for key, outcome in outcomes.items() if outcome.reason is Reason.UNKNOWN}
        assert unknown, f"nobody misses {one}"
        assert not [key for key, outcome in outcomes.items() if outcome.transition]
        blinded |= unknown
    assert blinded == applying


@BY_ENTRY
def test_what_fires_goes_on_firing_while_its_input_fails(new_world: New, path: Path, drill: Drill) -> None:
    world = new_world(drilled(path))
    applying = {key for key, one in world.run().items() if one.reason is not Reason.DOES_NOT_APPLY}
    world.told(drill.when, drill.sources)
    before = {key: one.state for key, one in world.conditions.items()}
    world.lost = set(world.answers) | set(drilled(path).readings(NOW))

    outcomes = world.run(drill.when, drill.sources)

    assert {key: one.condition.state for key, one in outcomes.items()} == before
    assert {outcomes[key].reason for key in applying} == {Reason.UNKNOWN}
