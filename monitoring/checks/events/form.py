"""The keys of a check that asks for events, and what they ask: whose events, which of them, in what words.

Called when a monitor file is loaded, offline. The arguments of the event are names in its formulas.
"""

from __future__ import annotations

import keyword
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from monitoring.base.suggest import did_you_mean
from monitoring.base.yaml.keys import entry
from monitoring.base.yaml.marks import Mapping as MappingNode
from monitoring.base.yaml.marks import Scalar
from monitoring.base.yaml.marks import Sequence as SequenceNode
from monitoring.chains.abi.addresses import ZERO, SignatureError
from monitoring.chains.abi.function import Event
from monitoring.chains.abi.selectors import declared_event
from monitoring.chains.abi.signatures import Parameter
from monitoring.checks.expression.scope import RESERVED, Scope
from monitoring.checks.expression.tree import (
    ADDRESS,
    ANYTHING,
    BYTES,
    CONTRACT,
    Expression,
    Literal,
    ValueType,
    kind_of,
)
from monitoring.checks.rules.keys import DURATION, FORMULA, TEXT, Either, Listed, text_of
from monitoring.checks.rules.words import PLACEHOLDER

if TYPE_CHECKING:
    from monitoring.checks.config.check import CheckBuilder
    from monitoring.checks.config.yaml_node import Spot
    from monitoring.checks.expression.tree import Tree

SHORTEST, LONGEST = timedelta(hours=1), timedelta(days=14)  # of a first run, which reads every block of it
_DECLARATION = text_of("declaration", "an event, as in Paused(address account)")
EVENT = entry(
    "event",
    Either("event, or a list", _DECLARATION, Listed(_DECLARATION)),
    "Reports each new event of this declaration; of a well-known one the types are enough.",
    example='event: "Paused(address account)"',
)
CONTRACTS = entry(
    "contracts",
    Either("contract, or a list", FORMULA, Listed(FORMULA)),
    "Whose events: contracts of the file, addresses, or a field of the row.",
    without="whose events: a contract, or a list",
    example="contracts: [vault, safe]",
)
WHERE = entry(
    "where",
    FORMULA,
    "Which of them: arguments are names; one that is a word of Python ends in _, as in from_.",
    default="",
    without="all of them",
    example="where: vault.totalAssets() >= 5",
)
VALUES = entry(
    "values",
    Listed(FORMULA, named=True),
    "Expressions of each event by name, for where and line.",
    default="",
    example="values: {tokens: vault.totalAssets() / 1e6}",
)
LINE = entry(
    "line",
    TEXT,
    "What the alert says of one: arguments, values, {contract} and {event} are filled in; {tokens:USDC} adds a unit.",
    default="",
    without="its arguments by name",
    example='line: "{event} of {contract}"',
)
FIRST_RUN = entry(
    "first_run", DURATION, "At first sight what is younger is reported too.", default="", without="nothing is",
    example="first_run: 1d",
)  # fmt: skip
EVENT_KEYS = (CONTRACTS, WHERE, VALUES, LINE, FIRST_RUN)


@dataclass(frozen=True, slots=True)
class EventQuery:
    """What a check asks for. `values` stand in the order in which they need each other."""

    events: tuple[Event, ...]
    contracts: tuple[Expression, ...]
    where: Expression | None
    values: Mapping[str, Expression]
    line: str
    lookback: timedelta | None

    @property
    def trees(self) -> tuple[Tree, ...]:
        where = () if self.where is None else (self.where,)
        return tuple(one.tree for one in (*self.contracts, *where, *self.values.values()))

    @property
    def formula(self) -> str:
        """Return what it asks for in one line."""
        names = ", ".join(event.name for event in self.events)
        return f"{names} of {', '.join(one.text for one in self.contracts)}" + (
            f" where {self.where.text}" if self.where else ""
        )


def argument_name(name: str) -> str:
    """Return an argument as a formula can name it."""
    return f"{name}_" if keyword.iskeyword(name) or name in RESERVED else f"_{name}" if name.isdecimal() else name


def read_event(draft: CheckBuilder) -> EventQuery | None:
    """Read the check, and note each mistake at its place."""
    from monitoring.checks.config.names import read_values  # noqa: PLC0415 - it is loaded with the files

    spot = draft.spot
    events, contracts = _events(spot), _contracts(draft)
    scope = _with_arguments(spot, draft.scope, events)
    named = spot.get(VALUES.name)
    entries = named.entries("names and expressions") if named else []
    taken = [*scope.contracts, *scope.values, *scope.rows]
    for key, at in entries:
        if key.text in taken:
            at.wrong(f"{key.text} has a meaning here already: choose another name")
    values = read_values({key.text: at for key, at in entries if key.text not in taken}, scope)
    inner = replace(draft, scope=replace(scope, values={**scope.values, **{n: one.kind for n, one in values.items()}}))
    where = inner.boolean(WHERE.name)
    line = _line(spot, inner.scope, values)
    lookback = _lookback(spot)
    if not events or not contracts or (spot.get(WHERE.name) and where is None):
        return None
    return EventQuery(tuple(events), tuple(contracts), where, values, line, lookback)


def _items(spot: Spot | None) -> Sequence[Spot]:
    if spot is None:
        return ()
    if isinstance(spot.node, MappingNode):
        spot.wrong("one, or a list, is needed here")
        return ()
    return spot.items() if isinstance(spot.node, SequenceNode) else (spot,)


def _events(spot: Spot) -> list[Event]:
    found: list[Event] = []
    for one in _items(spot.get(EVENT.name)):
        text = one.text("an event, as in Paused(address account)")
        try:
            found += [declared_event(text.strip())] if text else []
        except SignatureError as error:
            one.wrong(error.reason, error.offset)
    if len({event.topic for event in found}) < len(found):
        (spot.get(EVENT.name) or spot).wrong("an event stands here twice")
    return found


def _contracts(draft: CheckBuilder) -> list[Expression]:
    from monitoring.checks.config.names import read_expression  # noqa: PLC0415 - as above

    found: list[Expression] = []
    for one in _items(draft.spot.need(CONTRACTS.name, CONTRACTS.without)):
        expression = _written_address(one) or read_expression(one, draft.scope)
        if expression and expression.kind not in (CONTRACT, ADDRESS, ANYTHING):
            one.wrong(f"a contract or an address is needed here, this is {expression.kind}")
        elif expression:
            found.append(expression)
    return found


def _written_address(spot: Spot) -> Expression | None:
    """Return an address that stands there as it is, which a formula has in quotes."""
    text = spot.node.text.strip() if isinstance(spot.node, Scalar) else ""
    if not text.startswith("0x"):
        return None
    address = spot.address()
    return Expression(text, Literal(0, address or ZERO), ADDRESS, frozenset())


def _with_arguments(spot: Spot, scope: Scope, events: Sequence[Event]) -> Scope:
    """Return the scope with the arguments that all of the events have."""
    each = [{argument_name(field.name): _kind(field) for field in event.fields} for event in events]
    shared = {name: kind for name, kind in (each[0] if each else {}).items() if all(e.get(name) == kind for e in each)}
    for name in shared:
        if name in (*scope.contracts, *scope.values, *scope.rows):
            (spot.get(EVENT.name) or spot).wrong(
                f"{name} has a meaning in this file: declare the event with other names"
            )
    return replace(scope, values={**scope.values, **shared})


def _kind(field: Parameter) -> ValueType:
    return BYTES if field.indexed and field.kind.hashed_when_indexed else kind_of(field.kind)


def _line(spot: Spot, scope: Scope, values: Mapping[str, Expression]) -> str:
    at, text = spot.get(LINE.name), spot.value(LINE)
    known = ["contract", "event", *values, *scope.values, *(f"{row}.{f}" for row, fs in scope.rows.items() for f in fs)]
    for found in PLACEHOLDER.finditer(text or ""):
        name = found.group(1).partition(":")[0].strip()
        if at and name not in known and argument_name(name) not in known:
            at.wrong(f"{found.group()} cannot be filled in{did_you_mean(name, known)}", found.start())
    return text or ""


def _lookback(spot: Spot) -> timedelta | None:
    at, found = spot.get(FIRST_RUN.name), spot.value(FIRST_RUN)
    if at and found and not SHORTEST <= found <= LONGEST:
        at.wrong(f"from 1h to {LONGEST.days}d: a first run reads every block of it")
    return found
