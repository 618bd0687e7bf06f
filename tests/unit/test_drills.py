"""Every shipped check, drilled on a simulated chain: fires when it must, quiet when it must, Unknown when blinded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from monitoring.chains.abi.values import Unknown
from monitoring.checks.engine.plan import judge_all, read_all
from monitoring.conditions.condition import Condition, ConditionKey, State
from monitoring.conditions.outcome import Kind, Outcome, Reason
from tests.support.drills import Drill, Drilled, drill_path, drilled_files, load_drilled

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


class World:
    """A simulated chain with its services, and the conditions kept between runs."""

    def __init__(self, scene: Drilled) -> None:
        self.scene, self.now = scene, NOW
        self.conditions: dict[ConditionKey, Condition] = {}
        self.asked: set[Any] = set()
        self.lost: set[Any] = set()
        self.answers: dict[Any, Any] = {}

    def read(self, questions: Sequence[Any]) -> Mapping[Any, Any]:
        self.asked |= set(questions)
        return {one: LOST if one in self.lost else self.answers.get(one, LOST) for one in questions}

    def run(
        self, changes: Mapping[str, Any] | None = None, sources: Mapping[str, Any] | None = None
    ) -> dict[ConditionKey, Outcome]:
        self.answers = self.scene.answers(self.now, changes)
        told: dict[Any, Any] = dict(self.scene.readings(self.now, sources))
        told |= {name: LOST for name in told if name in self.lost}
        outcomes = judge_all(
            self.scene.parts, read_all(self.scene.parts, self, told, self.conditions), self.conditions, self.now
        )
        self.conditions = {key: one.condition for key, one in outcomes.items()}
        self.now += HOUR
        return outcomes

    def told(self, *arguments: Any) -> dict[ConditionKey, tuple[Kind, str]]:
        """Run twice, as `for` may ask for it, and return what was told."""
        runs = [self.run(*arguments), self.run(*arguments)]
        return {
            key: (one.transition.kind, one.transition.severity.name.lower())
            for outcomes in reversed(runs) for key, one in outcomes.items() if one.transition
        }  # fmt: skip


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_every_shipped_check_has_a_drill(path: Path) -> None:
    assert drill_path(path).exists(), f"write {drill_path(path)}: what its checks must fire on"
    scene = drilled(path)

    checks = {part.key.check for part in scene.parts}
    assert {one.check for one in scene.drills} == checks


@BY_FILE
def test_when_all_is_well_nothing_is_said_and_nothing_is_unknown(path: Path) -> None:
    world = World(drilled(path))

    for _ in range(3):
        outcomes = world.run()
        assert {key: one.reason for key, one in outcomes.items() if one.reason not in WELL} == {}
        assert not [key for key, one in outcomes.items() if one.transition]
    assert set(world.answers) == world.asked, "the drill speaks of calls that nobody makes"


@BY_ENTRY
def test_a_check_fires_when_it_must_and_says_when_it_is_over(path: Path, drill: Drill) -> None:
    world = World(drilled(path))
    world.run()

    told = world.told(drill.when, drill.sources)

    wanted = {
        part.key for part in world.scene.parts
        if part.key.check == drill.check and (not drill.only or part.key.subject in drill.only)
    }  # fmt: skip
    assert wanted
    assert {key: told.get(key) for key in wanted} == dict.fromkeys(wanted, (Kind.FIRED, drill.fires))
    assert {key.check for key in told.keys() - wanted} <= set(drill.also), told
    firing = {key for key, one in world.conditions.items() if one.state is State.FIRING}
    over = world.run()
    assert {key for key, one in over.items() if one.transition and one.transition.kind is Kind.RECOVERED} == firing


@BY_ENTRY
def test_a_check_is_quiet_as_long_as_it_must(path: Path, drill: Drill) -> None:
    world = World(drilled(path))
    world.run()

    assert world.told(drill.quiet, drill.quiet_sources) == {}


@BY_FILE
def test_an_input_that_fails_never_alarms_and_blinds_who_needs_it(path: Path) -> None:
    scene = drilled(path)
    first = World(scene)
    applying = {key for key, one in first.run().items() if one.reason is not Reason.DOES_NOT_APPLY}
    inputs = [*first.asked, *scene.readings(NOW)]
    blinded: set[ConditionKey] = set()
    for one in inputs:
        world = World(scene)
        world.run()
        world.lost = {one}
        outcomes = world.run()
        unknown = {key for key, outcome in outcomes.items() if outcome.reason is Reason.UNKNOWN}
        assert unknown, f"nobody misses {one}"
        assert not [key for key, outcome in outcomes.items() if outcome.transition]
        blinded |= unknown
    assert blinded == applying


@BY_ENTRY
def test_what_fires_goes_on_firing_while_its_input_fails(path: Path, drill: Drill) -> None:
    world = World(drilled(path))
    applying = {key for key, one in world.run().items() if one.reason is not Reason.DOES_NOT_APPLY}
    world.told(drill.when, drill.sources)
    before = {key: one.state for key, one in world.conditions.items()}
    world.lost = set(world.answers) | set(drilled(path).readings(NOW))

    outcomes = world.run(drill.when, drill.sources)

    assert {key: one.condition.state for key, one in outcomes.items()} == before
    assert {outcomes[key].reason for key in applying} == {Reason.UNKNOWN}
