"""Breaks the recorded answer of a source in each way a service can, and checks that nothing is judged by it.

Called by `rehearse`: an answer that is gone, malformed, an error, without its number, or old is no data for every check
that needs it; one that is just fresh enough is read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import orjson

from monitoring.chains.abi.values import Unknown
from monitoring.chains.services.sources import pick
from monitoring.checks.engine.monitor import NumberSource
from monitoring.checks.recorded.replay import Replay, as_bytes
from monitoring.conditions.condition import ConditionKey
from monitoring.conditions.outcome import Outcome, Reason

if TYPE_CHECKING:
    from monitoring.checks.drill.rehearsal import Rehearsal

_NEAR = timedelta(minutes=1)
_FUTURE = timedelta(hours=1)
_Damage = Callable[[Replay], None]


def reading_problems(world: Rehearsal, name: str) -> dict[str, list[str]]:
    """Return what is wrong with how a source is read, by check, with no problem for each check that needs it.

    Nothing is returned for a source whose paths lead nowhere: it has no data when all is well, which is said already.
    """
    source = world.scene.monitor.sources[name]
    if not _is_there(world, name, source):
        return {}
    world.run()
    needing = _without_data(world.run(damage=lambda replay: replay.put(name, _inside(source, source.path), None)))
    found: dict[str, list[str]] = {key.check: [] for key in needing}
    for what, damage in _broken(name, source, lambda: world.now):
        _note(found, needing, world.run(damage=damage), f"{name} {what}", is_read=False)
        world.run()
    for what, damage in _whole(name, source, lambda: world.now):
        _note(found, needing, world.run(damage=damage), f"{name} {what}", is_read=True)
    for entry in (one for one in world.scene.reads if one.source == name):
        for values, is_read in ((entry.good, True), (entry.bad, False)):
            if values:
                outcomes = world.run({name: values})
                _note(found, needing, outcomes, f"line {entry.line}: {name} with {_shown(values)}", is_read=is_read)
                world.run()
    return found


def _is_there(world: Rehearsal, name: str, source: NumberSource) -> bool:
    replay = world.scene.replay(world.now)
    body = replay.bodies[replay.path_of(name)]
    paths = [_inside(source, path) for path in (source.path, source.time) if path]
    return not any(isinstance(pick(body, path, name), Unknown) for path in paths)


def _broken(name: str, source: NumberSource, now: Callable[[], datetime]) -> Iterator[tuple[str, _Damage]]:
    """Yield each way in which an answer is none, in words after the name of the source."""
    number = _inside(source, source.path)
    yield "cannot be reached", lambda replay: replay.down.add(replay.path_of(name))
    yield "answers 404", lambda replay: replay.instead.update({replay.path_of(name): (404, b"{}")})
    yield "answers a web page", lambda replay: replay.instead.update({replay.path_of(name): (200, b"<html></html>")})
    what = "list" if source.rows else "number"
    yield f"answers with a text in place of the {what}", lambda replay: replay.put(name, number, "n/a")
    if source.query:
        yield "answers data with an error next to it", lambda replay: _with_error(replay, name, now())
    if source.max_age is not None:
        oldest, at = source.max_age, _inside(source, source.time)
        yield "answers without a time", lambda replay: replay.put(name, at, None)
        yield "is older than max_age", lambda replay: replay.put(name, at, _unix(now() - oldest - _NEAR))
        yield "is from the future", lambda replay: replay.put(name, at, _unix(now() + _FUTURE))


def _whole(name: str, source: NumberSource, now: Callable[[], datetime]) -> Iterator[tuple[str, _Damage]]:
    if source.max_age is not None:
        newest, at = source.max_age, _inside(source, source.time)
        yield "is as old as max_age allows", lambda replay: replay.put(name, at, _unix(now() - newest + _NEAR))


def _with_error(replay: Replay, name: str, now: datetime) -> None:
    path = replay.path_of(name)
    whole: dict[str, Any] = {**orjson.loads(as_bytes(replay.bodies[path], now)), "errors": [{"message": "the drill"}]}
    replay.instead[path] = 200, orjson.dumps(whole)


def _note(
    found: dict[str, list[str]],
    needing: set[ConditionKey],
    outcomes: Mapping[ConditionKey, Outcome],
    what: str,
    *,
    is_read: bool,
) -> None:
    """Note each check that was judged without data, or had none though the answer is good, or reported something."""
    for key in sorted(needing, key=str):
        if (outcomes[key].reason is Reason.UNKNOWN) is is_read:
            found[key.check].append(f"{what}: {'no data' if is_read else 'it is judged all the same'}")
    for key, one in outcomes.items():
        if one.transition and not is_read:
            found.setdefault(key.check, []).append(f"{what}: {key.text} reports something")


def _without_data(outcomes: Mapping[ConditionKey, Outcome]) -> set[ConditionKey]:
    return {key for key, one in outcomes.items() if one.reason is Reason.UNKNOWN}


def _inside(source: NumberSource, path: str) -> str:
    """Return a path as it is in the whole answer: those of GraphQL begin below `data`."""
    return f"data.{path}" if source.query else path


def _unix(at: datetime) -> int:
    return int(at.timestamp())


def _shown(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{path} {value}" for path, value in values.items())
