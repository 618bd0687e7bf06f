"""Finds what the value of a formula was made of: the parts of it with their values, and the contracts that were asked.

Called for every reading, to be kept with it, and said when a check has something to say. Everything was read already,
so nothing is asked here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import islice
from typing import TYPE_CHECKING

from monitoring.base.formatting import format_instant, format_value
from monitoring.checks.engine.evidence import AskedContract, Evidence
from monitoring.checks.engine.plan import ReadContext, value_of
from monitoring.checks.expression.evaluate import Ask, NotYet, PriceRead, Result, evaluate
from monitoring.checks.expression.spell import inputs_of, reads_of, spell
from monitoring.checks.expression.tree import Aggregate, Operation, Tree
from monitoring.conditions.values import Unknown, Value

if TYPE_CHECKING:
    from monitoring.chains.services.prices import Price
    from monitoring.checks.rows.eval_scope import EvalScope

_KINDS = (bool, int, Fraction, str, bytes, tuple)
_MOST_INPUTS = 24  # ours: what is kept of a formula; a message shows fewer


@dataclass(slots=True)
class _TracedWorld:
    """A scene that notes whom it asks."""

    scene: EvalScope
    context: ReadContext
    asked: dict[str, None] = field(default_factory=dict)
    prices: dict[str, None] = field(default_factory=dict)

    @property
    def chain(self) -> int:
        return self.scene.chain

    def name(self, name: str) -> Result:
        if name in self.scene.names:
            return self.scene.names[name]
        values = self.scene.all_values
        if name in values:
            return evaluate(values[name], self)
        return self.context.source(self.scene.monitor, name)

    def call(self, call: Ask) -> Result:
        answer = self.context.ask(self.scene.asked(call))
        if isinstance(call, PriceRead):
            if not isinstance(answer, NotYet | Unknown):
                self.prices[_origin_of(answer)] = None
            return value_of(answer)
        self.asked[call.target] = None
        found: Result = answer
        return found

    def over_rows(self, tree: Aggregate) -> Result:
        return self.scene.world(self.context).over_rows(tree)


def _origin_of(price: Price) -> str:
    sure = "" if price.confidence == 1 else f", confidence {format_value(price.confidence)}"
    return f"Price by {price.source} at {format_instant(price.at)}{sure}"


def evidence_of(trees: Iterable[Tree], scene: EvalScope, context: ReadContext, *, difference: bool) -> Evidence:
    """Evaluate the parts of a check's trees once more; `difference`: both sides of a requirement are its inputs."""
    world, trees = _TracedWorld(scene, context), list(trees)
    for tree in trees:
        evaluate(tree, world)
    parts: list[Tree] = []
    if difference and isinstance(trees[0], Operation):
        parts = list(trees[0].operands)
    elif len(trees) > 1:
        parts = trees
    else:
        parts = list(inputs_of(trees[0], scene.all_values))
    inputs = _values_of(parts, world)
    reads = _values_of(dict.fromkeys(read for tree in trees for read in reads_of(tree, scene.all_values)), world)
    names = {address: name for name, address in scene.names.items() if isinstance(address, str) and "." not in name}
    asked = tuple(AskedContract(scene.chain, address, names.get(address, "")) for address in world.asked)
    return Evidence(inputs, asked, tuple(world.prices), reads)


def _values_of(parts: Iterable[Tree], world: _TracedWorld) -> tuple[tuple[str, Value], ...]:
    found = [(spell(part), evaluate(part, world)) for part in islice(parts, _MOST_INPUTS)]
    return tuple((text, value) for text, value in found if isinstance(value, _KINDS))
