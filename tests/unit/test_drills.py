"""Every shipped check, drilled on a simulated chain: fires when it must, quiet when it must, Unknown when blinded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import pytest

from monitoring.checks.drill.events import LOGS
from monitoring.checks.drill.file import DrilledMonitor, DrillEntry, drill_path, load_drilled
from monitoring.checks.drill.rehearsal import Rehearsal, rehearsing
from monitoring.checks.drill.rehearse import rehearse
from monitoring.checks.engine.formula_checks import FormulaPart
from monitoring.checks.rows.listed_check import ListedCheck
from monitoring.conditions.condition import ConditionKey, State
from monitoring.conditions.outcome import Outcome, Reason, TransitionKind
from tests.support.drills import drilled_files

FILES = drilled_files()
WELL = {Reason.GOOD, Reason.SEEDED, Reason.NOTHING_NEW, Reason.DOES_NOT_APPLY}


def name_of(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


@cache
def drilled(path: Path) -> DrilledMonitor:
    return load_drilled(path)


# What is written as a date has no answers to change: only the command tries it.
ENTRIES = [(path, one) for path in FILES if drill_path(path).exists() for one in drilled(path).drills if one.at is None]
BY_ENTRY = pytest.mark.parametrize(
    ("path", "drill"), ENTRIES, ids=[f"{name_of(path)}-{one.check}-{one.fires}" for path, one in ENTRIES]
)
BY_FILE = pytest.mark.parametrize("path", [path for path in FILES if drill_path(path).exists()], ids=name_of)


def dates(scene: DrilledMonitor) -> set[ConditionKey]:
    """Return the checks that read nothing but a date of their file, which nothing can take away."""
    return {part.key for part in scene.parts if isinstance(part, FormulaPart) and part.reads_nothing}


def left(world: Rehearsal, outcomes: Mapping[ConditionKey, Outcome]) -> set[ConditionKey]:
    """Return the rows of lists that an answer named before and does not name now: nobody knows what they are."""
    listed = {part.key.check for part in world.scene.parts if isinstance(part, ListedCheck)}
    known = world.store.read(lambda db: db.rows("SELECT monitor, check_name, chain, subject FROM conditions"))
    keys = {ConditionKey(monitor, check, int(chain), subject) for monitor, check, chain, subject in known}
    return {key for key in keys - outcomes.keys() if key.check in listed}


New = Callable[[DrilledMonitor], Rehearsal]


@pytest.fixture
def new_world() -> Iterator[New]:
    """Make rehearsals with a store each."""
    with ExitStack() as stack:
        yield lambda scene: stack.enter_context(rehearsing(scene))


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
    recorded = {one.path for one in world.scene.recordings}
    assert {*world.answers, *recorded} == world.asked - {LOGS}, "the drill speaks of calls that nobody makes"


@BY_ENTRY
def test_a_check_fires_when_it_must_and_says_when_it_is_over(new_world: New, path: Path, drill: DrillEntry) -> None:
    world = new_world(drilled(path))
    world.run()

    told = world.messages(drill.when)

    wanted = {
        key for key in world.conditions if key.check == drill.check and (not drill.only or key.subject in drill.only)
    }
    assert wanted
    assert {key: told.get(key) for key in wanted} == dict.fromkeys(wanted, (TransitionKind.FIRED, drill.fires))
    assert {key.check for key in told.keys() - wanted} <= set(drill.also), told
    firing = {key for key, one in world.conditions.items() if one.state is State.FIRING}
    over = world.run()
    assert {
        key for key, one in over.items() if one.transition and one.transition.kind is TransitionKind.RECOVERED
    } == firing - left(world, over)


@BY_FILE
def test_the_command_agrees(path: Path) -> None:
    results = rehearse(drilled(path))

    assert {one.check: one.problems for one in results} == {one.check: [] for one in results}
    assert all(one.is_drilled for one in results)


@BY_ENTRY
def test_a_check_is_quiet_as_long_as_it_must(new_world: New, path: Path, drill: DrillEntry) -> None:
    world = new_world(drilled(path))
    world.run()

    assert world.messages(drill.quiet) == {}


@BY_FILE
def test_an_input_that_fails_never_alarms_and_blinds_who_needs_it(new_world: New, path: Path) -> None:
    scene = drilled(path)
    first = new_world(scene)
    applying = {key for key, one in first.run().items() if one.reason is not Reason.DOES_NOT_APPLY} - dates(scene)
    blinded: set[ConditionKey] = set()
    for one in first.asked:
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
def test_what_fires_goes_on_firing_while_its_input_fails(new_world: New, path: Path, drill: DrillEntry) -> None:
    world = new_world(drilled(path))
    applying = {key for key, one in world.run().items() if one.reason is not Reason.DOES_NOT_APPLY}
    applying -= dates(world.scene)
    world.messages(drill.when)
    before = {key: one.state for key, one in world.conditions.items()}
    world.lost = set(world.asked)

    outcomes = world.run(drill.when)

    assert {key: one.condition.state for key, one in outcomes.items()} == before
    assert {outcomes[key].reason for key in applying - left(world, outcomes)} == {Reason.UNKNOWN}
