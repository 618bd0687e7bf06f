"""The closed expression language of monitors: text in, a checked `Expression` out, or the exact place of the mistake.

Names are contracts, values, sources, tables and row fields; calls are declared views, the functions of `scope.py`, and
over the rows of `for_each` `sum count min max share`. Called when a monitor is loaded, offline. Whatever is not
listed here does not exist.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping

from monitoring.base.suggest import did_you_mean
from monitoring.chains.abi.addresses import address_problem
from monitoring.checks.expression.call_check import check_call
from monitoring.checks.expression.parse import LanguageError, Syntax, attribute_offset, offset_of, parse
from monitoring.checks.expression.scope import FUNCTIONS, WORDS, Scope
from monitoring.checks.expression.tree import (
    ADDRESS,
    ANYTHING,
    BOOLEAN,
    BYTES,
    CONTRACT,
    NOTHING,
    NUMBER,
    TEXT,
    Apply,
    Expression,
    IfElse,
    Literal,
    Lookup,
    LookupTable,
    Name,
    Operation,
    Operator,
    Pick,
    Tree,
    ValueType,
    kind_of_value,
    rows_of,
)
from monitoring.checks.expression.values import NONE

_BYTES32 = 64
_ARITHMETIC: dict[type[ast.operator], Operator] = {
    ast.Add: Operator.ADD,
    ast.Sub: Operator.SUBTRACT,
    ast.Mult: Operator.MULTIPLY,
    ast.Div: Operator.DIVIDE,
}
_COMPARISON: dict[type[ast.cmpop], Operator] = {
    ast.Lt: Operator.LESS,
    ast.LtE: Operator.AT_MOST,
    ast.Gt: Operator.MORE,
    ast.GtE: Operator.AT_LEAST,
    ast.Eq: Operator.EQUAL,
    ast.NotEq: Operator.UNEQUAL,
}


def check(text: str, scope: Scope) -> Expression:
    """Read an expression and check names, arity and kinds.

    Raises:
        LanguageError: with the offset of the first mistake.
    """
    checker = _Checker(parse(text), scope)
    tree, kind = checker.branch(checker.syntax.body)
    if kind is NOTHING:
        raise LanguageError(0, "none alone says nothing: write it after else")
    return Expression(text, tree, kind, frozenset(checker.names), rows_of(tree, scope.row_names))


class _Checker:
    def __init__(self, syntax: Syntax, scope: Scope) -> None:
        self.syntax, self.scope, self.names = syntax, scope, set[str]()

    def branch(self, node: ast.expr) -> tuple[Tree, ValueType]:
        """Check a whole expression or a branch of `if`: the only places where `none` may stand."""
        if isinstance(node, ast.Name) and node.id == "none":
            return Literal(offset_of(node), NONE), NOTHING
        return self.part(node)

    def part(self, node: ast.expr) -> tuple[Tree, ValueType]:
        match node:
            case ast.Constant():
                return self._constant(node)
            case ast.Name() | ast.Attribute():
                return self._name(node) if isinstance(node, ast.Name) else self._field(node)
            case ast.Call() | ast.Subscript():
                return check_call(self, node) if isinstance(node, ast.Call) else self._pick(node)
        return self._choice(node) if isinstance(node, ast.IfExp) else self._operation(node)

    def numeric(self, node: ast.expr) -> Tree:
        return self.of_kind(node, NUMBER)

    def of_kind(self, node: ast.expr, wanted: ValueType) -> Tree:
        tree, kind = self.part(node)
        if kind not in (wanted, ANYTHING):
            raise LanguageError(offset_of(node), f"{wanted} is needed here, this is {kind}")
        return tree

    def _constant(self, node: ast.Constant) -> tuple[Tree, ValueType]:
        at = offset_of(node)
        if isinstance(node.value, str):
            return self._text(at, node.value)
        if isinstance(node.value, bool) or node.value is None:
            raise LanguageError(at, f"{node.value} is not part of the language: write {str(node.value).lower()}")
        if not isinstance(node.value, int | float):
            raise LanguageError(at, "this constant is not part of the language")
        value, percent = self.syntax.number(node)
        return Literal(at, value, percent), NUMBER

    def _text(self, at: int, text: str) -> tuple[Tree, ValueType]:
        if not text.startswith("0x"):
            return Literal(at, text), TEXT
        if len(text) == _BYTES32 + 2:
            try:
                return Literal(at, bytes.fromhex(text[2:])), BYTES
            except ValueError:
                raise LanguageError(at, "these are no 64 hex digits") from None
        problem = address_problem(text)
        if problem:
            raise LanguageError(at, problem)
        return Literal(at, text.lower()), ADDRESS

    def _name(self, node: ast.Name) -> tuple[Tree, ValueType]:
        at, name = offset_of(node), node.id
        if name == "none":
            raise LanguageError(at, "none can only stand alone after if or else, as in: x if x > 0 else none")
        if name in WORDS:
            value, kind = WORDS[name]
            return Literal(at, value), kind
        if name in FUNCTIONS and name not in self.scope.values and name not in self.scope.contracts:
            raise LanguageError(at, f"{name} is a function: write {name}(…)")
        if name in self.scope.tables:
            raise LanguageError(at, f"{name} is a table: write {name}[…], or … in {name}")
        if name in self.scope.rows:
            raise LanguageError(
                at, f"{name} is a row: name one of its fields, as in {name}.{_first(self.scope.rows[name])}"
            )
        return Name(at, self._used(name)), self._kind(at, name)

    def _kind(self, at: int, name: str) -> ValueType:
        if name in self.scope.values:
            return self.scope.values[name]
        if name in self.scope.contracts:
            return CONTRACT
        if self.scope.open:
            return ANYTHING
        raise LanguageError(at, f"{name} is not known here{did_you_mean(name, self.scope.known())}")

    def _field(self, node: ast.Attribute) -> tuple[Tree, ValueType]:
        at, owner = offset_of(node), node.value
        if self.scope.open:
            return Name(at, self._used(_dotted(node))), ANYTHING
        if not isinstance(owner, ast.Name) or owner.id not in self.scope.rows:
            return self._no_field(node)
        fields = self.scope.rows[owner.id]
        if node.attr not in fields:
            raise LanguageError(
                attribute_offset(node), f"{owner.id} has no field {node.attr}{did_you_mean(node.attr, fields)}"
            )
        return Name(at, self._used(f"{owner.id}.{node.attr}")), fields[node.attr]

    def _no_field(self, node: ast.Attribute) -> tuple[Tree, ValueType]:
        known = node.attr in self.scope.views
        hint = f": to call it write {node.attr}(…)" if known else ": only rows have fields, only contracts have views"
        raise LanguageError(attribute_offset(node), f".{node.attr} is not part of the language here{hint}")

    def _lookup(self, node: ast.expr, table: LookupTable, *, asks: bool) -> Lookup:
        key, kind = self.part(node)
        if kind not in (NUMBER, TEXT, ADDRESS, CONTRACT, ANYTHING):
            raise LanguageError(offset_of(node), f"the key of a table is a text, a number or an address, not {kind}")
        return Lookup(offset_of(node), table, key, asks)

    def _pick(self, node: ast.Subscript) -> tuple[Tree, ValueType]:
        if isinstance(node.value, ast.Name) and node.value.id in self.scope.tables:
            table = self.scope.tables[node.value.id]
            if table.is_list:
                raise LanguageError(offset_of(node), f"{table.name} is a list: write … in {table.name}")
            return self._lookup(node.slice, table, asks=False), _kind_of_table(table)
        whole, kind = self.part(node.value)
        index = node.slice.value if isinstance(node.slice, ast.Constant) else None
        if not isinstance(index, int) or isinstance(index, bool):
            raise LanguageError(offset_of(node.slice), "an index is a whole number from 0, as in [2]")
        if kind.name not in ("a tuple", "a list", "anything"):
            raise LanguageError(offset_of(node.value), f"only a tuple or a list has parts, this is {kind}")
        if kind.name == "a tuple" and index >= len(kind.parts):
            raise LanguageError(
                offset_of(node.slice), f"there is no part {index}: the last one is [{len(kind.parts) - 1}]"
            )
        part = kind.parts[index if kind.name == "a tuple" else 0] if kind.parts else ANYTHING
        return Pick(offset_of(node), whole, index), part

    def _choice(self, node: ast.IfExp) -> tuple[Tree, ValueType]:
        test = self.of_kind(node.test, BOOLEAN)
        then, kind = self.branch(node.body)
        otherwise, other = self.branch(node.orelse)
        if NOTHING not in (kind, other) and not _alike(kind, other):
            raise LanguageError(offset_of(node.orelse), f"the branches differ: this is {other}, the other {kind}")
        return IfElse(offset_of(node), test, then, otherwise), other if kind is NOTHING else kind

    def _operation(self, node: ast.expr) -> tuple[Tree, ValueType]:
        at = offset_of(node)
        match node:
            case ast.BinOp(left=left, op=operator, right=right):
                return self._arithmetic(at, left, _ARITHMETIC[type(operator)], right), NUMBER
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return Apply(at, "not", (self.of_kind(operand, BOOLEAN),)), BOOLEAN
            case ast.UnaryOp(operand=operand):
                return Apply(at, "-", (self.numeric(operand),)), NUMBER
            case ast.BoolOp(op=operator, values=values):
                word = Operator.AND if isinstance(operator, ast.And) else Operator.OR
                return Operation(at, word, tuple(self.of_kind(value, BOOLEAN) for value in values)), BOOLEAN
            case ast.Compare():
                return self._comparison(node), BOOLEAN
        raise LanguageError(at, f"{type(node).__name__} is not part of the language")

    def _arithmetic(self, at: int, left: ast.expr, operator: Operator, right: ast.expr) -> Tree:
        operands = (self.numeric(left), self.numeric(right))
        divisor = operands[1]
        if operator is Operator.DIVIDE and isinstance(divisor, Literal) and divisor.value == 0:
            raise LanguageError(offset_of(right), "a division by zero is always unknown")
        return Operation(at, operator, operands)

    def _comparison(self, node: ast.Compare) -> Tree:
        at = offset_of(node)
        if len(node.ops) > 1:
            raise LanguageError(offset_of(node.comparators[1]), "one comparison at a time: write a < b and b < c")
        if isinstance(node.ops[0], ast.In | ast.NotIn):
            return self._membership(node)
        operator, right = _COMPARISON[type(node.ops[0])], node.comparators[0]
        if operator not in (Operator.EQUAL, Operator.UNEQUAL):
            return Operation(at, operator, (self.numeric(node.left), self.numeric(right)))
        first, kind = self.part(node.left)
        second, other = self.part(right)
        if not _alike(kind, other):
            raise LanguageError(offset_of(right), f"{kind} is never equal to {other}")
        return Operation(at, operator, (first, second))

    def _membership(self, node: ast.Compare) -> Tree:
        """Check `symbol in tiers`."""
        right = node.comparators[0]
        table = self.scope.tables.get(right.id) if isinstance(right, ast.Name) else None
        if table is None:
            hint = did_you_mean(right.id, self.scope.tables) if isinstance(right, ast.Name) else ""
            raise LanguageError(offset_of(right), f"a table of tables: is needed after in{hint}")
        found = self._lookup(node.left, table, asks=True)
        return found if isinstance(node.ops[0], ast.In) else Apply(offset_of(node), "not", (found,))

    def _used(self, name: str) -> str:
        self.names.add(name)
        return name


def _kind_of_table(table: LookupTable) -> ValueType:
    kinds = {kind_of_value(value) for value in table.entries.values()}
    return kinds.pop() if len(kinds) == 1 else ANYTHING


def _alike(first: ValueType, second: ValueType) -> bool:
    if ANYTHING in (first, second) or {first, second} == {ADDRESS, CONTRACT}:
        return True
    return first == second


def _dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    if isinstance(node, ast.Name):
        return node.id
    raise LanguageError(offset_of(node), "only a name can stand before a dot")


def _first(fields: Mapping[str, ValueType]) -> str:
    return next(iter(fields), "name")
