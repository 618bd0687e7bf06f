"""What names mean for one chain and one row, and the scopes of the rows below it, written or read.

Made by `monitor.py`; a pass sees a scope as its `SceneWorld`. A list is read like anything else: until it is there,
what needs it is pending.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from monitoring.base.plural import counted
from monitoring.chains.services.price_gate import USUAL_GATE, PriceGate
from monitoring.checks.engine.plan import PriceQuery, Query, ReadContext, value_of
from monitoring.checks.expression.evaluate import Ask, NotYet, PriceRead, Result, aggregate, evaluate
from monitoring.checks.expression.tree import Aggregate, Expression, Tree
from monitoring.checks.expression.values import Absent, Unknown, Value, describe

Row: TypeAlias = "Mapping[str, Value | Unknown]"
Level: TypeAlias = "Rows | ListedRows | AnsweredRows"


@dataclass(frozen=True, slots=True)
class Rows:
    """One name of `for_each`: rows that are written; every row has every field of `fields`."""

    name: str
    rows: tuple[Mapping[str, Value], ...]


@dataclass(frozen=True, slots=True)
class ListedRows:
    """One name of `for_each` whose rows are read: the elements of a list, or with `counts` the numbers below one.

    More than `most` rows are unknown.
    """

    name: str
    of: Expression
    most: int
    counts: bool = False

    @property
    def words(self) -> str:
        return f"`{'0..' if self.counts else ''}{self.of.text}`"


@dataclass(frozen=True, slots=True)
class AnsweredRows:
    """One name of `for_each` whose rows are those of a source's answer."""

    name: str
    source: str
    most: int

    @property
    def words(self) -> str:
        return f"`{self.source}`"


@dataclass(frozen=True, slots=True)
class RowPlan:
    """The values and the names of `for_each` of a monitor, for the scopes of all its rows.

    `gate` is what the monitor demands of a price.
    """

    values: Mapping[str, Expression] = field(default_factory=dict)
    levels: tuple[Level, ...] = ()
    gate: PriceGate = USUAL_GATE

    def between(self, above: frozenset[str] | None, rows: frozenset[str]) -> dict[str, Tree]:
        """Return the values that these rows decide, and those above do not."""
        return {
            name: one.tree
            for name, one in self.values.items()
            if one.rows <= rows and (above is None or not one.rows <= above)
        }


@dataclass(frozen=True, slots=True, eq=False)
class EvalScope:
    """What names mean in one scope. `values` are its own, in the order in which they need each other."""

    monitor: str
    chain: int
    names: Mapping[str, Value | Unknown]
    values: Mapping[str, Tree]
    plan: RowPlan = field(default_factory=RowPlan)
    above: EvalScope | None = None
    rows: frozenset[str] = frozenset()

    @property
    def fields(self) -> dict[str, Value]:
        """Return the fields of the row, and the elements of lists, that are known."""
        found = {name: value for name, value in self.names.items() if "." in name or name in self.rows}
        return {name: value for name, value in found.items() if not isinstance(value, Unknown)}

    @property
    def all_values(self) -> dict[str, Tree]:
        return {**(self.above.all_values if self.above else {}), **self.values}

    @property
    def written_row(self) -> dict[str, Value]:
        """Return the fields of the row that is written, and not read."""
        written = next((one.name for one in self.plan.levels if isinstance(one, Rows) and one.name in self.rows), "")
        mark = f"{written}."
        return {name.removeprefix(mark): value for name, value in self.fields.items() if name.startswith(mark)}

    def row(self, name: str, row: Row) -> EvalScope:
        """Return the scope of one row below this one."""
        rows = self.rows | {name}
        return EvalScope(
            self.monitor, self.chain, {**self.names, **row}, self.plan.between(self.rows, rows), self.plan, self, rows
        )

    def asked(self, call: Ask) -> Query:
        """Return the question that a call of the language asks."""
        return PriceQuery(self.monitor, call, self.plan.gate) if isinstance(call, PriceRead) else call

    def world(self, desk: ReadContext) -> SceneWorld:
        """Return this scope as one pass sees it, with every value evaluated once."""
        known = desk.memo.get(self)
        if isinstance(known, SceneWorld):
            return known
        world = SceneWorld(self, desk, self.above.world(desk) if self.above else None)
        desk.memo[self] = world
        for name, tree in self.values.items():
            world.found[name] = evaluate(tree, world)
        return world

    def rows_below(self, name: str, desk: ReadContext) -> tuple[EvalScope, ...] | Unknown | Absent | NotYet:
        """Return the scopes of the rows of a name of `for_each`: the same ones in all passes of one reading."""
        if (self, name) not in desk.rows:
            level = next(one for one in self.plan.levels if one.name == name)
            found = self._read_rows(level, desk)
            if isinstance(found, Unknown | Absent | NotYet):
                return found
            desk.rows[self, name] = tuple(self.row(name, row) for row in found)
        scopes: tuple[EvalScope, ...] = desk.rows[self, name]
        return scopes

    def _read_rows(self, level: Level, desk: ReadContext) -> Iterable[Row] | Unknown | Absent | NotYet:
        if isinstance(level, ListedRows):
            return _elements(level, evaluate(level.of.tree, self.world(desk)))
        if isinstance(level, Rows):
            return [_fields(level.name, row) for row in level.rows]
        found = desk.source_rows(self.monitor, level.source)
        if isinstance(found, Unknown):
            return found
        if len(found.rows) > level.most:
            return _too_many(level.source, len(found.rows), level)
        return [_fields(level.name, row) for row in found.rows]


@dataclass(slots=True)
class SceneWorld:
    """A scope in one pass; see `evaluate.World`."""

    scene: EvalScope
    desk: ReadContext
    above: SceneWorld | None = None
    found: dict[str, Result] = field(default_factory=dict)

    @property
    def chain(self) -> int:
        return self.scene.chain

    def name(self, name: str) -> Result:
        if name in self.scene.names:
            return self.scene.names[name]
        if name in self.found:
            return self.found[name]
        return self.above.name(name) if self.above else self.desk.source(self.scene.monitor, name)

    def call(self, call: Ask) -> Result:
        return value_of(self.desk.ask(self.scene.asked(call)))

    def over_rows(self, tree: Aggregate) -> Result:
        """Put the rows of a list together, once for all rows that ask for it."""
        if tree.rows in self.scene.rows and self.above:
            return self.above.over_rows(tree)
        asked = (self.scene, id(tree))
        if asked not in self.desk.memo:
            rows = self.scene.rows_below(tree.rows, self.desk)
            self.desk.memo[asked] = (
                aggregate(tree, [row.world(self.desk) for row in rows]) if isinstance(rows, tuple) else rows
            )
        found: Result = self.desk.memo[asked]
        return found


def _fields(name: str, row: Row) -> Row:
    return {f"{name}.{key}": value for key, value in row.items()}


def _too_many(what: str, count: int, level: ListedRows | AnsweredRows) -> Unknown:
    return Unknown(f"{what} has {counted(count, 'row')}, more than {level.most}: raise `most` of {level.name}")


def _elements(level: ListedRows, found: Result) -> Iterable[Row] | Unknown | Absent | NotYet:
    """Return a row for each element of a list that was read."""
    if isinstance(found, Unknown | Absent | NotYet):
        return found
    if level.counts:
        if isinstance(found, bool) or not isinstance(found, int) or found < 0:
            return Unknown(f"{level.of.text} was to say how many there are")
        count = found
    elif isinstance(found, tuple):
        count = len(found)
    else:
        return Unknown(f"a list was needed, not {describe(found)}")
    if count > level.most:
        return _too_many(level.of.text, count, level)
    return [{level.name: one} for one in (range(count) if level.counts or not isinstance(found, tuple) else found)]
