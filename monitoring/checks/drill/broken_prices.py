"""Breaks the recorded prices of a monitor in each way a service can, and checks that nothing is judged by them.

Called by `rehearse`. A feed that is asked where there is no price has no answer in a drill, unless `well` gives one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from monitoring.chains.services.price_gate import PriceGate
from monitoring.chains.services.prices import key_in
from monitoring.checks.engine.prices import asset_of
from monitoring.checks.expression.evaluate import PriceRead
from monitoring.checks.recorded.recording import PRICES
from monitoring.checks.recorded.replay import Replay
from monitoring.checks.recorded.stamps import Stamp
from monitoring.conditions.condition import ConditionKey
from monitoring.conditions.outcome import Outcome, Reason

if TYPE_CHECKING:
    from monitoring.checks.drill.rehearsal import Rehearsal

_NEAR, _FUTURE, _LESS = timedelta(minutes=1), timedelta(hours=1), Fraction(1, 100)


def put_price(replay: Replay, read: PriceRead, value: Any) -> bool:  # noqa: ANN401 - a value of the language
    """Change the price of an asset, keeping the form it was recorded in; False where none is recorded."""
    asset = asset_of(read)
    for path, one in replay.recordings.items():
        coins = replay.bodies[path].get("coins") if PRICES in one.sources else None  # type: ignore[union-attr]  # a price
        name = key_in(coins, asset) if isinstance(coins, dict) else None
        if name is not None:
            replay.put_at(path, ["coins", name, "price"], value)
            return True
    return False


def price_problems(world: Rehearsal) -> dict[str, list[str]]:
    """Return what is wrong with how prices are read, by check, with no problem for each check that needs one."""
    world.run()
    needing = {key for key, one in world.run(damage=_take_down).items() if one.reason is Reason.UNKNOWN}
    found: dict[str, list[str]] = {key.check: [] for key in needing}
    for what, is_read, damage in _damages(world.scene.monitor.gate):
        world.run()
        outcomes = world.run(damage=damage)
        for key in sorted(needing, key=str):
            if (outcomes[key].reason is Reason.UNKNOWN) is is_read:
                found[key.check].append(f"price {what}: {'no data' if is_read else 'it is judged all the same'}")
        _note_reports(found, outcomes, what, is_read=is_read)
    return found


def _note_reports(
    found: dict[str, list[str]], outcomes: Mapping[ConditionKey, Outcome], what: str, *, is_read: bool
) -> None:
    for key, one in outcomes.items():
        if one.transition and not is_read:
            found.setdefault(key.check, []).append(f"price {what}: {key.text} reports something")


def _take_down(replay: Replay) -> None:
    replay.down |= {path for path, one in replay.recordings.items() if PRICES in one.sources}


def _answer(status: int, body: bytes) -> Callable[[Replay], None]:
    def damage(replay: Replay) -> None:
        replay.instead |= {path: (status, body) for path, one in replay.recordings.items() if PRICES in one.sources}

    return damage


def _every(field: str, value: Any) -> Callable[[Replay], None]:  # noqa: ANN401 - JSON
    def damage(replay: Replay) -> None:
        for path, one in replay.recordings.items():
            coins = replay.bodies[path].get("coins") if PRICES in one.sources else {}  # type: ignore[union-attr]  # a price
            for name in list(coins):  # type: ignore[arg-type]  # as above
                replay.put_at(path, ["coins", str(name), field], value)

    return damage


def _aged(age: timedelta) -> Callable[[Replay], None]:
    return _every("timestamp", str(Stamp(-age, "unix")))


def _damages(gate: PriceGate) -> Iterator[tuple[str, bool, Callable[[Replay], None]]]:
    """Yield each way in which prices are read or not: in words, whether they still count, and how it is done."""
    yield "cannot be had", False, _take_down
    yield "is refused with 429", False, _answer(429, b"{}")
    yield "comes as a web page", False, _answer(200, b"<html></html>")
    yield "is missing", False, _answer(200, b'{"coins": {}}')
    for value in (None, "n/a", 0, -1, True):
        yield f"is {value}", False, _every("price", value)
    yield "has no time", False, _every("timestamp", None)
    yield "is older than max_age", False, _aged(gate.max_age + _NEAR)
    yield "is from the future", False, _aged(-_FUTURE)
    yield "has no confidence", False, _every("confidence", None)
    yield "is doubtful", False, _every("confidence", gate.min_confidence - _LESS)
    yield "is as doubtful as confidence allows", True, _every("confidence", gate.min_confidence)
    yield "is as old as max_age allows", True, _aged(gate.max_age - _NEAR)
