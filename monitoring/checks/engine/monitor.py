"""A monitor as it was read from its file: checked names, checked expressions, checks with their policies.

Made by `config/load.py`; an evaluation takes `parts()` of several and plans them together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar, Protocol

from monitoring.chains.networks import networks
from monitoring.chains.services.price_gate import USUAL_GATE, PriceGate
from monitoring.checks.engine.formula_checks import Check, FormulaPart
from monitoring.checks.engine.plan import Answerer, CheckInstance
from monitoring.checks.expression.tree import Apply, Expression, Tree, children
from monitoring.checks.expression.values import Number, Value
from monitoring.checks.messages.plain import AlertRoute
from monitoring.checks.rows.eval_scope import EvalScope, Level, RowPlan, Rows
from monitoring.checks.rows.listed_check import ListedCheck
from monitoring.checks.rows.own_row import of_row
from monitoring.checks.rules.words import PLACEHOLDER
from monitoring.conditions.condition import ConditionKey

# The chains monitors may name, by id, with the slug that PROVIDER_URL_<SLUG> uses.
CHAINS: Mapping[int, str] = {one.id: one.slug for one in sorted(networks().values(), key=lambda one: one.id)}


@dataclass(frozen=True, slots=True)
class NumberSource:
    """A number from a service, or rows: where, which path of the answer, and what makes it trustworthy.

    Of `rows` it has `texts` and `numbers`, by name the paths in a row.
    """

    name: str
    url: str
    number: str
    scale: Number = 1
    time: str = ""
    max_age: timedelta | None = None
    ok: Expression | None = None
    query: str = ""
    require: tuple[str, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    rows: str = ""
    texts: Mapping[str, str] = field(default_factory=dict)
    numbers: Mapping[str, str] = field(default_factory=dict)

    @property
    def where(self) -> str | tuple[object, ...]:
        """Return where in the answer it is, for what is known of the shape."""
        return (self.rows, *self.texts.items(), *self.numbers.items()) if self.rows else self.number

    @property
    def path(self) -> str:
        """Return the path without which it has nothing: that of the number, or of the list."""
        return self.rows.partition("[]")[0] if self.rows else self.number


class EvaluatedMonitor(Protocol):
    """What is evaluated: a monitor file, or what a function judged (`python_checks.Given`)."""

    @property
    def name(self) -> str: ...

    @property
    def declared(self) -> bool:
        """Return whether `parts` are all there is, so that a condition with none of them is over."""
        ...

    @property
    def route(self) -> AlertRoute: ...

    @property
    def sources(self) -> Mapping[str, NumberSource]: ...

    @property
    def answers(self) -> Mapping[type, Answerer]:
        """Return who answers what its parts ask, by the class of question; view calls need nobody."""
        ...

    def parts(self) -> tuple[CheckInstance, ...]: ...


class MonitorWrapper:
    """A monitor with other parts than the one it wraps; everything else is that one's."""

    __slots__ = ()
    monitor: EvaluatedMonitor

    @property
    def name(self) -> str:
        return self.monitor.name

    @property
    def route(self) -> AlertRoute:
        return self.monitor.route

    @property
    def sources(self) -> Mapping[str, NumberSource]:
        return self.monitor.sources

    @property
    def answers(self) -> Mapping[type, Answerer]:
        return self.monitor.answers


@dataclass(frozen=True, slots=True)
class Monitor:
    """One monitor file. `contracts` has an address per chain, `values` stand in the order they need each other.

    `levels` are the names of `for_each`, the outermost first.
    """

    declared: ClassVar[bool] = True
    name: str
    route: AlertRoute
    chains: tuple[int, ...]
    contracts: Mapping[str, Mapping[int, str]]
    values: Mapping[str, Expression]
    sources: Mapping[str, NumberSource]
    checks: tuple[Check, ...]
    levels: tuple[Level, ...] = ()
    more: tuple[CheckInstance, ...] = ()
    answers: Mapping[type, Answerer] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    gate: PriceGate = USUAL_GATE

    @property
    def reads_prices(self) -> bool:
        """Return whether a formula has `price(…)` in it."""
        trees = [*(one.tree for one in self.values.values()), *(tree for check in self.checks for tree in check.trees)]
        return any(_reads_a_price(tree) for tree in trees)

    @property
    def rows(self) -> Rows | None:
        """Return the rows of `for_each` that are written."""
        return next((one for one in self.levels if isinstance(one, Rows)), None)

    def parts(self) -> tuple[CheckInstance, ...]:
        """Return one part per check, chain and written row, one for all rows of a list, and those of built-in types."""
        found: list[CheckInstance] = []
        listed = {one.name for one in self.levels if not isinstance(one, Rows)}
        for scope in self.scopes():
            found += [self._part(check, scope) for check in self.checks if not check.rows]
            written = self.rows.rows if self.rows else ()
            found += [part for row in written for part in self._of_row(scope, row, listed)]
            found += [ListedCheck(self._part(check, scope)) for check in self.checks if listed & {*check.rows}]
        return (*found, *self.more)

    def _of_row(self, scope: EvalScope, row: Mapping[str, Value], listed: set[str]) -> list[FormulaPart]:
        name = self.rows.name if self.rows else ""
        fields = {f"{name}.{key}": value for key, value in row.items()}
        below = scope.row(name, fields)
        checks = [check for check in self.checks if check.rows and not listed & {*check.rows}]
        return [self._part(check, below, subject_of(check.id, fields)) for check in checks]

    def scopes(self) -> list[EvalScope]:
        """Return the scope of each chain, above all rows."""
        plan = RowPlan(self.values, self.levels, self.gate)
        values = plan.between(None, frozenset())
        return [
            EvalScope(self.name, chain, {name: at[chain] for name, at in self.contracts.items()}, values, plan)
            for chain in self.chains
        ]

    def _part(self, check: Check, scope: EvalScope, subject: str = "") -> FormulaPart:
        route = self.route.narrowed(check.own)
        part = FormulaPart(ConditionKey(self.name, check.name, scope.chain, subject), check, scope, route)
        return of_row(part, scope)


def _reads_a_price(tree: Tree) -> bool:
    return (isinstance(tree, Apply) and tree.function == "price") or any(map(_reads_a_price, children(tree)))


def subject_of(check_id: str, fields: Mapping[str, Value]) -> str:
    """Return what identifies a row: the placeholders of the id, filled in."""
    return "/".join(str(fields.get(name.strip(), "")) for name in PLACEHOLDER.findall(check_id))


if TYPE_CHECKING:
    _: tuple[type[CheckInstance], ...] = (FormulaPart, ListedCheck)
