"""The events of a drill: `vault.Deposit: [zero, zero, 500_000e6, 1]` is one more log of that contract.

They are emitted on the simulated chains of a rehearsal, which remember them as the chain would.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from monitoring.base.suggest import did_you_mean
from monitoring.base.yaml import marks
from monitoring.chains.abi.addresses import SignatureError, is_address
from monitoring.chains.abi.function import Event
from monitoring.chains.networks import network
from monitoring.checks.config.yaml_node import Spot
from monitoring.checks.drill.answers import plain
from monitoring.checks.engine.formula_checks import FormulaPart
from monitoring.checks.expression.evaluate import evaluate
from monitoring.checks.expression.parse import LanguageError
from monitoring.checks.expression.tree import Aggregate
from monitoring.checks.expression.typecheck import check
from monitoring.checks.recorded.sim_chain import SimChain, SimLog
from monitoring.conditions.values import Unknown

if TYPE_CHECKING:
    from monitoring.checks.drill.file import DrilledMonitor, DrillNames
    from monitoring.checks.drill.rehearsal import Rehearsal

LOGS = "the logs of its contracts"  # stands for them among what a drill can take away
_BETWEEN_S = 3600
_AS_WRITTEN = ("bytes", "address", "string")


def is_event(text: str) -> bool:
    """Return whether an entry of a drill is an event: `CONTRACT.Event`, and not a call."""
    name = text.rpartition(".")[2]
    return "(" not in text and "." in text and name[:1].isupper()


def parts_with_events(drilled: DrilledMonitor) -> list[FormulaPart]:
    return [part for part in drilled.parts if isinstance(part, FormulaPart) and part.check.asks is not None]


def events_of(drilled: DrilledMonitor) -> Iterator[tuple[str, str, Event]]:
    """Return each event that a check asks for, as a drill names it, with its contract as the file names that."""
    for part in parts_with_events(drilled):
        for one in part.check.asks.contracts:
            yield from ((f"{one.text}.{event.name}", one.text, event) for event in part.check.asks.events)


def check_event(drilled: DrilledMonitor, key: marks.Scalar, at: Spot) -> None:
    """Note an event that no check asks for, and arguments that do not fit."""
    known = [name for name, _, _ in events_of(drilled)]
    if key.text not in known:
        at.mistakes.add(key.at, at.path, f"no check asks for {key.text}{did_you_mean(key.text, known)}")
        return
    now = datetime(2026, 1, 1).astimezone()
    try:
        for scene in drilled.scenes:
            for _, event, values in _emitted(drilled, scene, {key.text: plain(at)}, now):
                event.encode(values)
    except (SignatureError, LanguageError, ValueError) as error:
        at.mistakes.add(at.node.at, at.path, str(error))


@dataclass(slots=True)
class DrilledEvents:
    """The logs of the chains of one rehearsal, by chain, and the head that each has reached."""

    drilled: DrilledMonitor
    heads: dict[int, int] = field(default_factory=dict)
    logs: dict[int, list[SimLog]] = field(default_factory=dict)

    def put_on(
        self, chains: dict[str, SimChain], changes: Mapping[str, Any], now: datetime, *, lost: bool, malformed: bool
    ) -> None:
        """Let an hour pass on each chain that is watched for events, with those that the drill wants at its end."""
        for chain in sorted({part.key.chain for part in parts_with_events(self.drilled)}):
            sim = SimChain({}, chain)
            sim = chains.setdefault(sim.url, sim)
            sim.head = self.heads.get(chain, sim.head) + network(chain).blocks_in(_BETWEEN_S)
            sim.logs = self.logs.setdefault(chain, sim.logs)
            for scene in (one for one in self.drilled.scenes if one.chain == chain):
                for address, event, values in _emitted(self.drilled, scene, changes, now):
                    sim.add(address, *event.encode(values))
            if malformed:
                for address, event in self._watched(chain):
                    sim.add(address, (event.topic,), "0x")
            sim.refuses = frozenset({"eth_getLogs"}) if lost else frozenset()
            self.heads[chain] = sim.head

    def _watched(self, chain: int) -> Iterator[tuple[str, Event]]:
        for part in parts_with_events(self.drilled):
            for one in part.check.asks.contracts if part.key.chain == chain else ():
                address = evaluate(one.tree, _NamesAlone(chain, part.scene.names))
                yield from (
                    (str(address), event)
                    for event in part.check.asks.events[:1]
                    if is_address(address) and event.fields
                )


def malformed_problems(world: Rehearsal) -> dict[str, list[str]]:
    """Emit events that do not decode; return what is wrong by check, nothing where it has no data and says nothing."""
    world.run()
    outcomes = world.run(malformed=True)
    found: dict[str, list[str]] = {}
    for part in parts_with_events(world.scene):
        one, problems = outcomes[part.key], found.setdefault(part.key.check, [])
        is_judged = part.check.asks.events[0].fields and one.condition.no_data is None  # without any, all of it decodes
        if is_judged or one.transition:
            problems.append(f"an event that cannot be decoded is judged all the same: {part.key.text}")
    return found


@dataclass(frozen=True, slots=True)
class _NamesAlone:
    """What names mean, without any answers."""

    chain: int
    names: Mapping[str, Any]

    def name(self, name: str) -> Any:  # noqa: ANN401 - a value of the language
        return self.names[name]

    def call(self, call: object) -> Any:  # noqa: ANN401 - as above
        return call

    def over_rows(self, tree: Aggregate) -> Any:  # noqa: ANN401 - as above
        return Unknown(f"the rows of {tree.rows} are not read here")


def _emitted(
    drilled: DrilledMonitor, scene: DrillNames, changes: Mapping[str, Any], now: datetime
) -> Iterator[tuple[str, Event, list[Any]]]:
    events = {event.name: event for part in parts_with_events(drilled) for event in part.check.asks.events}
    for text, given in changes.items():
        if not is_event(text) or text in drilled.monitor.sources:
            continue
        contract, _, name = text.rpartition(".")
        try:
            address = contract if is_address(contract) else evaluate(check(contract, drilled.scope).tree, scene)
        except KeyError:  # a name of another chain
            continue
        event = events[name]
        for values in given if given and isinstance(given[0], list) else [given]:
            kinds = [one.kind.base for one in event.fields]
            if len(values) != len(kinds):
                raise SignatureError(f"{name} takes {len(kinds)} values, not {len(values)}")
            yield str(address), event, [
                one if kind.startswith(_AS_WRITTEN) and one.startswith("0x") else drilled.value(one, scene, now)
                for one, kind in zip(values, kinds, strict=True)
            ]  # fmt: skip
