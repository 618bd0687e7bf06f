"""A checked tree as an author would write it, and which of its parts a reader needs to see to believe its value.

Called for messages: the inputs of a value that breached. Nothing is evaluated here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction

from monitoring.base.formatting import format_pct, format_value
from monitoring.checks.expression.tree import (
    Aggregate,
    Apply,
    IfElse,
    Literal,
    Lookup,
    Name,
    Operation,
    Operator,
    Pick,
    Tree,
    ViewExpression,
    is_constant,
)
from monitoring.checks.expression.values import Absent, is_number

_STRENGTH = {
    Operator.OR: 1, Operator.AND: 2, Operator.ADD: 4, Operator.SUBTRACT: 4, Operator.MULTIPLY: 5, Operator.DIVIDE: 5,
}  # fmt: skip
_COMPARISON = 3
_POWER = 10**4  # from here on a power of ten is written as one: it is a scale; other numbers are limits, and grouped


def spell(tree: Tree) -> str:  # noqa: PLR0911 - one a kind
    """Return the text of a tree, on one line."""
    match tree:
        case Literal():
            return _literal(tree)
        case Name(name=name):
            return name
        case ViewExpression(target=target, view=view, arguments=arguments):
            return f"{spell(target)}.{view.name}({', '.join(map(spell, arguments))})"
        case Apply(function=function, arguments=arguments):
            return f"{function}({', '.join(map(spell, arguments))})"
        case Operation(operator=operator, operands=operands):
            return f" {operator} ".join(_bracketed(part, operator) for part in operands)
        case IfElse(test=test, then=then, otherwise=otherwise):
            return f"{spell(then)} if {spell(test)} else {spell(otherwise)}"
        case Pick(whole=whole, index=index):
            return f"{spell(whole)}[{index}]"
        case Lookup(table=table, key=key, asks=asks):
            return f"{spell(key)} in {table.name}" if asks else f"{table.name}[{spell(key)}]"
        case Aggregate(function=function, operand=operand, where=where):
            return f"{function}({spell(operand)}{f', where={spell(where)}' if where is not None else ''})"


def inputs_of(tree: Tree, values: Mapping[str, Tree]) -> Iterator[Tree]:
    """Return the parts a value is made of: of a named value its formula's, of arithmetic its operands.

    Constants explain nothing, and a part times a constant (`x / 1e18`) stays whole: it is what its author thinks in.
    """
    match tree:
        case Apply(function="price"):
            return  # it is asked of a market as a view is of a contract
        case Name(name=name) if name in values:
            yield from inputs_of(values[name], values)
        case Operation(operands=parts) | Apply(arguments=parts):
            varying = [part for part in parts if not _explains_nothing(part)]
            if len(varying) > 1:
                yield from varying
            else:
                yield from (one for part in varying for one in inputs_of(part, values))


def reads_of(tree: Tree, values: Mapping[str, Tree]) -> Iterator[Tree]:
    """Return what a formula reads of the world: view calls, prices, numbers of services; those of a list are not."""
    match tree:
        case Apply(function="price") | ViewExpression():
            yield tree
        case Name(name=name):
            yield from reads_of(values[name], values) if name in values else (tree,)
        case Operation(operands=parts) | Apply(arguments=parts):
            yield from (one for part in parts for one in reads_of(part, values))
        case IfElse(test=test, then=then, otherwise=otherwise):
            yield from (one for part in (test, then, otherwise) for one in reads_of(part, values))
        case Pick(whole=whole):
            yield from reads_of(whole, values)


def _explains_nothing(tree: Tree) -> bool:
    """Return whether a part is a constant, or a scale that a contract says of itself."""
    return is_constant(tree) or (isinstance(tree, Apply) and tree.function == "pow10")


def _bracketed(part: Tree, around: Operator) -> str:
    inside = _STRENGTH.get(part.operator, _COMPARISON) if isinstance(part, Operation) else 9
    return f"({spell(part)})" if inside <= _STRENGTH.get(around, _COMPARISON) else spell(part)


def _literal(tree: Literal) -> str:
    value = tree.value
    if isinstance(value, Absent):
        return "none"
    if tree.percent and is_number(value):
        return format_pct(Fraction(value))
    if (
        isinstance(value, int)
        and not isinstance(value, bool)
        and value >= _POWER
        and value == 10 ** (len(str(value)) - 1)
    ):
        return f"1e{len(str(value)) - 1}"
    return f'"{value}"' if isinstance(value, str) else format_value(value)
