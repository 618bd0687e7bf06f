"""The tree of an expression after it was checked: closed, bounded, without any Python left in it.

Made by `typecheck.py`, read by `evaluate.py`. `at` is the offset in the text, for messages.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from monitoring.chains.abi.addresses import is_address
from monitoring.chains.abi.function import Function
from monitoring.chains.abi.types import AbiType
from monitoring.checks.expression.values import Absent, Value


@dataclass(frozen=True, slots=True)
class ValueType:
    """What a part of an expression is; `parts` of a tuple, or the one part of a list."""

    name: str
    parts: tuple[ValueType, ...] = ()

    def __str__(self) -> str:
        return self.name


NUMBER, BOOLEAN, TEXT = ValueType("a number"), ValueType("true or false"), ValueType("a text")
ADDRESS, CONTRACT, BYTES = ValueType("an address"), ValueType("a contract"), ValueType("bytes")
NOTHING, ANYTHING = ValueType("none"), ValueType("anything")


def tuple_of(parts: tuple[ValueType, ...]) -> ValueType:
    return ValueType("a tuple", parts)


def kind_of(abi: AbiType) -> ValueType:
    """Return the kind an ABI type becomes."""
    if abi.base == "array":
        return ValueType("a list", (kind_of(abi.members[0]),))
    if abi.base == "tuple":
        return tuple_of(tuple(kind_of(member) for member in abi.members))
    simple = {"address": ADDRESS, "bool": BOOLEAN, "string": TEXT}
    if abi.base in simple:
        return simple[abi.base]
    return BYTES if abi.base.startswith("bytes") else NUMBER


def kind_of_value(value: Value) -> ValueType:
    """Return the kind of a value of a data file."""
    if isinstance(value, bool):
        return BOOLEAN
    if isinstance(value, str):
        return ADDRESS if is_address(value) else TEXT
    return NUMBER


class Operator(StrEnum):
    """The operators there are."""

    ADD = "+"
    SUBTRACT = "-"
    MULTIPLY = "*"
    DIVIDE = "/"
    LESS = "<"
    AT_MOST = "<="
    MORE = ">"
    AT_LEAST = ">="
    EQUAL = "=="
    UNEQUAL = "!="
    AND = "and"
    OR = "or"


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant; `percent` remembers that it was written with `%`."""

    at: int
    value: Value | Absent
    percent: bool = False


@dataclass(frozen=True, slots=True)
class Name:
    """A value, a source, a contract or a field of a row (`row.field`)."""

    at: int
    name: str


@dataclass(frozen=True, slots=True)
class ViewExpression:
    """A view of a contract; `target` yields its address."""

    at: int
    target: Tree
    view: Function
    arguments: tuple[Tree, ...]


@dataclass(frozen=True, slots=True)
class Apply:
    """A function of the language (`scope.FUNCTIONS`), `not`, or `-` before an operand."""

    at: int
    function: str
    arguments: tuple[Tree, ...]


@dataclass(frozen=True, slots=True)
class Operation:
    """Arithmetic, a comparison, or a chain of `and` or `or`."""

    at: int
    operator: Operator
    operands: tuple[Tree, ...]


@dataclass(frozen=True, slots=True)
class IfElse:
    """`a if test else b`."""

    at: int
    test: Tree
    then: Tree
    otherwise: Tree


@dataclass(frozen=True, slots=True)
class Pick:
    """`x[2]`."""

    at: int
    whole: Tree
    index: int


@dataclass(frozen=True, slots=True)
class LookupTable:
    """What a monitor file says of texts, numbers or addresses; a list says only which there are.

    With `of_parts` a text is in it that contains one of them, whatever their case.
    """

    name: str
    entries: Mapping[Value, Value]
    is_list: bool = False
    of_parts: bool = False


@dataclass(frozen=True, slots=True)
class Lookup:
    """`tiers[symbol]`: what a table says of a key, unknown where it says nothing; with `asks` whether it does."""

    at: int
    table: LookupTable
    key: Tree
    asks: bool = False


@dataclass(frozen=True, slots=True)
class Aggregate:
    """`sum`, `count`, `min` or `max` of an operand over the rows of one name of `for_each`, of those `where` allows."""

    at: int
    function: str
    rows: str
    operand: Tree
    where: Tree | None = None


Tree: TypeAlias = "Literal | Name | ViewExpression | Apply | Operation | IfElse | Pick | Lookup | Aggregate"


@dataclass(frozen=True, slots=True)
class Expression:
    """A checked expression: its text, its tree, its kind, every name it uses, and the rows it differs by."""

    text: str
    tree: Tree
    kind: ValueType
    names: frozenset[str]
    rows: frozenset[str] = frozenset()

    @property
    def is_constant(self) -> bool:
        """Return whether it reads nothing at all, so that it can never change."""
        return not self.names


def is_constant(tree: Tree) -> bool:
    """Return whether a tree reads nothing at all."""
    reads = isinstance(tree, Name | ViewExpression) or (isinstance(tree, Apply) and tree.function == "price")
    return not reads and all(is_constant(part) for part in children(tree))


def children(tree: Tree) -> tuple[Tree, ...]:  # noqa: PLR0911 - one a kind
    """Return the parts of a tree's root."""
    match tree:
        case ViewExpression(target=target, arguments=arguments):
            return (target, *arguments)
        case Apply(arguments=parts) | Operation(operands=parts):
            return parts
        case IfElse(test=test, then=then, otherwise=otherwise):
            return (test, then, otherwise)
        case Pick(whole=whole):
            return (whole,)
        case Lookup(key=key):
            return (key,)
        case Aggregate(operand=operand, where=where):
            return (operand,) if where is None else (operand, where)
    return ()


def rows_of(tree: Tree, row_names: Mapping[str, frozenset[str]]) -> frozenset[str]:
    """Return the rows by which a tree differs, given those of each name; an aggregate goes over its own."""
    if isinstance(tree, Name):
        return row_names.get(tree.name.partition(".")[0], frozenset())
    found = frozenset[str]().union(*(rows_of(part, row_names) for part in children(tree)))
    if isinstance(tree, Aggregate):
        return (found | row_names.get(tree.rows, frozenset())) - {tree.rows}
    return found
