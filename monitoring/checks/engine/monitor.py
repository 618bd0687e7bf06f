"""A monitor as it was read from its file: checked names, checked expressions, checks with their policies.

Made by `config/load.py`; an evaluation takes `parts()` of several and plans them together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar, Protocol

from monitoring.alerts.message.guidance import MOST_NOTE, Guidance
from monitoring.alerts.message.sanitize import clean_line, shorten
from monitoring.chains.networks import networks
from monitoring.chains.services.price_gate import USUAL_GATE, PriceGate
from monitoring.checks.engine.formula_checks import Check, EvalScope, FormulaPart
from monitoring.checks.engine.plan import Answerer, CheckInstance
from monitoring.checks.expression.tree import Apply, Expression, Tree, children
from monitoring.checks.expression.values import Number, Value, is_number
from monitoring.checks.messages.plain import AlertRoute, OwnRoute
from monitoring.checks.rules.age import AgePolicy
from monitoring.checks.rules.diverge import DivergePolicy
from monitoring.checks.rules.steps import with_severity
from monitoring.checks.rules.words import PLACEHOLDER
from monitoring.conditions.condition import ConditionKey
from monitoring.conditions.severity import Severity

# The chains monitors may name, by id, with the slug that PROVIDER_URL_<SLUG> uses.
CHAINS: Mapping[int, str] = {one.id: one.slug for one in sorted(networks().values(), key=lambda one: one.id)}


@dataclass(frozen=True, slots=True)
class NumberSource:
    """A number from a service: where, which path of the answer, and what makes it trustworthy."""

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


@dataclass(frozen=True, slots=True)
class Rows:
    """What `for_each` runs over; every row has every field of `fields`."""

    name: str
    rows: tuple[Mapping[str, Value], ...]


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


@dataclass(frozen=True, slots=True)
class Monitor:
    """One monitor file. `contracts` has an address per chain, `values` stand in the order they need each other."""

    declared: ClassVar[bool] = True
    name: str
    route: AlertRoute
    chains: tuple[int, ...]
    contracts: Mapping[str, Mapping[int, str]]
    values: Mapping[str, Expression]
    sources: Mapping[str, NumberSource]
    checks: tuple[Check, ...]
    rows: Rows | None = None
    more: tuple[CheckInstance, ...] = ()
    answers: Mapping[type, Answerer] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    gate: PriceGate = USUAL_GATE

    @property
    def reads_prices(self) -> bool:
        """Return whether a formula has `price(…)` in it."""
        trees = [*(one.tree for one in self.values.values()), *(tree for check in self.checks for tree in check.trees)]
        return any(_reads_a_price(tree) for tree in trees)

    def parts(self) -> tuple[CheckInstance, ...]:
        """Return one part per check, chain and row, and those of the built-in types."""
        found: list[CheckInstance] = []
        for chain in self.chains:
            names: dict[str, Value] = {name: addresses[chain] for name, addresses in self.contracts.items()}
            found += self._plain_parts(chain, names) + self._row_parts(chain, names)
        return (*found, *self.more)

    def _plain_parts(self, chain: int, names: Mapping[str, Value]) -> list[CheckInstance]:
        by_row = row_values(self.values, self.rows.name if self.rows else None)
        values = {n: e.tree for n, e in self.values.items() if n not in by_row}
        scene = EvalScope(self.name, chain, names, values, self.gate)
        plain = [check for check in self.checks if not check.per_row]
        return [
            FormulaPart(ConditionKey(self.name, check.name, chain), check, scene, self.route.narrowed(check.own))
            for check in plain
        ]

    def _row_parts(self, chain: int, names: Mapping[str, Value]) -> list[CheckInstance]:
        found: list[CheckInstance] = []
        values = {name: expression.tree for name, expression in self.values.items()}
        for row in self.rows.rows if self.rows else ():
            fields = {f"{self.rows.name}.{key}": value for key, value in row.items()} if self.rows else {}
            scene, own = EvalScope(self.name, chain, {**names, **fields}, values, self.gate), own_route_of_row(row)
            found += [
                FormulaPart(
                    ConditionKey(self.name, check.name, chain, subject_of(check.id, fields)),
                    check_of_row(check, row, fields), scene, self.route.narrowed(check.own).narrowed(own),
                )
                for check in self.checks
                if check.per_row
            ]  # fmt: skip
        return found


def _reads_a_price(tree: Tree) -> bool:
    return (isinstance(tree, Apply) and tree.function == "price") or any(map(_reads_a_price, children(tree)))


def row_values(values: Mapping[str, Expression], row: str | None) -> frozenset[str]:
    """Return the values that depend on a row, directly or through another value."""
    found: set[str] = set()
    for name, expression in values.items():  # in the order they need each other
        if row and any(used in found or used.startswith(f"{row}.") for used in expression.names):
            found.add(name)
    return frozenset(found)


def own_route_of_row(row: Mapping[str, object]) -> OwnRoute:
    """Return what the fields `protocol`, `channel`, `machine`, `runbook` and `note` of a row say of its alerts."""
    protocol, channel, machine = row.get("protocol"), row.get("channel"), row.get("machine")
    return OwnRoute(
        protocol if isinstance(protocol, str) else "",
        channel if isinstance(channel, str) else "",
        machine if isinstance(machine, bool) else None,
        guidance_of_row(row),
    )


def check_of_row(check: Check, row: Mapping[str, object], fields: Mapping[str, Value]) -> Check:
    """Return the check with the `severity` and `text` of a row, and with its bound where that is a field.

    A check whose own text fills in the row's keeps it. Where levels have several severities, those count.
    """
    severity, text = row.get("severity"), row.get("text")
    if isinstance(check.policy, AgePolicy | DivergePolicy) and check.policy.field:
        bound = fields[check.policy.field]
        check = replace(check, policy=check.policy.for_row(bound if is_number(bound) else 0))
    if isinstance(severity, str):
        check = replace(check, policy=with_severity(check.policy, Severity.parse(severity)))
    fills_in = any(
        name.strip() in fields and name.strip().endswith(".text") for name in PLACEHOLDER.findall(check.text)
    )
    return replace(check, text=text) if isinstance(text, str) and not fills_in else check


def guidance_of_row(row: Mapping[str, object]) -> Guidance:
    """Return what the fields `runbook` and `note` of a row say; a note was there for readers of the file before."""
    runbook, note = (
        clean_line(found) if isinstance(found := row.get(name), str) else "" for name in ("runbook", "note")
    )
    return Guidance(runbook, shorten(note, MOST_NOTE))


def subject_of(check_id: str, fields: Mapping[str, Value]) -> str:
    """Return what identifies a row: the placeholders of the id, filled in."""
    return "/".join(str(fields.get(name.strip(), "")) for name in PLACEHOLDER.findall(check_id))


if TYPE_CHECKING:
    _: type[CheckInstance] = FormulaPart
