"""A check of a monitor file over events: its logs, then its formulas with the arguments of each.

Called for the verb `logs` in the passes of an evaluation: what the formulas of all events ask is asked together.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import cast

from monitoring.checks.engine.formula_checks import FormulaPart
from monitoring.checks.engine.plan import ReadContext
from monitoring.checks.events.decoded import DecodedLog, Judgement, LogsRead
from monitoring.checks.events.form import EventQuery, argument_name
from monitoring.checks.events.read import WatchedEvents, decoded, questions
from monitoring.checks.expression.evaluate import PENDING, NotYet, Result, evaluate
from monitoring.checks.expression.values import Absent, Value
from monitoring.checks.rows.eval_scope import EvalScope, SceneWorld
from monitoring.checks.rules.readings import LogBatch
from monitoring.checks.rules.words import PLACEHOLDER
from monitoring.conditions.severity import Severity
from monitoring.conditions.values import Unknown, UnknownError


def read_events(part: FormulaPart, desk: ReadContext) -> LogBatch | Unknown | NotYet:
    """Read the logs, then what `where` and `values` need of each new one; what is unknown ends the reading there."""
    query: EventQuery = part.check.asks
    world = part.scene.world(desk)
    watched = _watched(query, world)
    if not isinstance(watched, WatchedEvents):
        return watched
    before, whole = desk.condition(part.key), part.check.policy.severity >= Severity.HIGH
    asked = questions(watched, before, query.lookback, whole=whole)
    answers = [desk.ask(one) for one in asked]
    if any(one is PENDING for one in answers):
        return PENDING
    read = decoded(part.key.check, answers, watched, before, query.lookback)
    if read.unknown is not None:
        return read.unknown
    seen = {log.id: _seen(query, log, world) for log in read}
    if any(one.is_pending for one in seen.values()):
        return PENDING
    return _batch(read, query, seen, part.scene)


def _watched(query: EventQuery, world: SceneWorld) -> WatchedEvents | Unknown | NotYet:
    found: dict[str, str] = {}
    for expression in query.contracts:
        address = evaluate(expression.tree, world)
        if address is PENDING or isinstance(address, Unknown):
            return address
        if not isinstance(address, Absent):
            found[str(address).lower()] = _name_of(expression.text, world.scene)
    return WatchedEvents(found, {event.topic: event for event in query.events})


def _name_of(text: str, scene: EvalScope) -> str:
    """Return what the file calls a contract: its name under contracts, or the name of the row it is in."""
    row, dot, _ = text.partition(".")
    if not dot:
        return text if text in scene.names else ""
    return str(scene.names.get(f"{row}.name", ""))


@dataclass(frozen=True, slots=True)
class _SeenByFormulas:
    """What the formulas of a check make of one event."""

    is_wanted: Result
    values: dict[str, Result]

    @property
    def is_pending(self) -> bool:
        return self.is_wanted is PENDING or (self.is_wanted is True and PENDING in self.values.values())


def _seen(query: EventQuery, log: DecodedLog, world: SceneWorld) -> _SeenByFormulas:
    arguments = {
        argument_name(name): value.lower() if isinstance(value, str) else value for name, value in log.args.items()
    }
    scene: EvalScope = replace(world.scene, names={**world.scene.names, **arguments})
    inner = SceneWorld(scene, world.desk, world.above, dict(world.found))
    for name, expression in query.values.items():
        inner.found[name] = evaluate(expression.tree, inner)
    is_wanted: Result = True if query.where is None else evaluate(query.where.tree, inner)
    return _SeenByFormulas(is_wanted, {name: inner.found[name] for name in query.values})


def _batch(read: LogsRead, query: EventQuery, seen: dict[str, _SeenByFormulas], scene: EvalScope) -> LogBatch | Unknown:
    def judge(log: DecodedLog) -> Judgement:
        one = seen[log.id]
        if isinstance(one.is_wanted, Unknown):
            raise UnknownError(one.is_wanted)
        return one.is_wanted is True, None, _line(query, log, one, scene)

    return read.batch(judge)


def _line(query: EventQuery, log: DecodedLog, seen: _SeenByFormulas, scene: EvalScope) -> str:
    if not query.line:
        return str(log)
    named: dict[str, Result] = {**scene.names, **log.args, **seen.values}

    def shown(name: str, unit: str) -> str:
        if name in ("contract", "event"):
            return log.event if name == "event" else log.name or log.shown(log.contract)
        value = named.get(name, named.get(name.removesuffix("_")))
        return str(value) if isinstance(value, Unknown) else log.shown(cast("Value", value), unit)

    def fill(found: re.Match[str]) -> str:
        name, _, unit = found.group(1).partition(":")
        return shown(name.strip(), unit.strip())

    return PLACEHOLDER.sub(fill, query.line)
