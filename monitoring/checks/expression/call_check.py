"""What may be called in the language of monitors, and with what: views, functions, and aggregates over rows.

Called by `typecheck`, which judges the arguments in turn.
"""

from __future__ import annotations

import ast
from typing import Protocol

from eth_hash.auto import keccak

from monitoring.base.suggest import did_you_mean
from monitoring.chains.services.price_gate import COINGECKO
from monitoring.checks.expression.parse import LanguageError, attribute_offset, offset_of
from monitoring.checks.expression.scope import AGGREGATES, FUNCTIONS, Scope, resolve_view
from monitoring.checks.expression.tree import (
    ADDRESS,
    ANYTHING,
    BOOLEAN,
    BYTES,
    CONTRACT,
    NUMBER,
    Aggregate,
    Apply,
    Literal,
    Operation,
    Operator,
    Tree,
    ValueType,
    ViewExpression,
    kind_of,
    rows_of,
    tuple_of,
)
from monitoring.checks.expression.values import NONE


class CallContext(Protocol):
    """What judges the parts of a call; `names` are those that the expression uses."""

    scope: Scope
    names: set[str]

    def part(self, node: ast.expr) -> tuple[Tree, ValueType]: ...
    def numeric(self, node: ast.expr) -> Tree: ...
    def of_kind(self, node: ast.expr, wanted: ValueType) -> Tree: ...


def check_call(checker: CallContext, node: ast.Call) -> tuple[Tree, ValueType]:
    named = next((one for one in node.keywords if one.arg != "where"), None)
    if named is not None:
        raise LanguageError(offset_of(named), "named arguments are not part of the language")
    if isinstance(node.func, ast.Name) and _is_aggregate(checker, node, node.func.id):
        return _aggregate(checker, node, node.func.id), NUMBER
    if node.keywords:
        raise LanguageError(offset_of(node.keywords[0]), f"only {', '.join(AGGREGATES)} of rows take where=")
    if isinstance(node.func, ast.Attribute):
        return _view(checker, node, node.func)
    if not isinstance(node.func, ast.Name):
        raise LanguageError(offset_of(node), f"only views and {', '.join(FUNCTIONS)} can be called")
    return _function(checker, node, node.func.id)


def _function(checker: CallContext, node: ast.Call, name: str) -> tuple[Tree, ValueType]:
    at, count = offset_of(node), len(node.args)
    if name not in FUNCTIONS:
        hint = did_you_mean(name, FUNCTIONS) or f": there are {', '.join(FUNCTIONS)}"
        raise LanguageError(at, f"{name} is no function of the language{hint}")
    fewest, most = FUNCTIONS[name]
    if not fewest <= count <= most:
        wanted = "two arguments or more" if fewest > 1 else "one argument" if most == 1 else "one or two arguments"
        raise LanguageError(at, f"{name} takes {wanted}, not {count}")
    if name == "keccak":
        return _keccak(node.args[0]), BYTES
    if name == "erc20":
        return _address(checker, node.args[0]), CONTRACT
    if name == "price":
        return Apply(at, name, _price(checker, at, node.args)), NUMBER
    return Apply(at, name, tuple(checker.numeric(argument) for argument in node.args)), NUMBER


def _is_aggregate(checker: CallContext, node: ast.Call, name: str) -> bool:
    """Return whether a call goes over rows: `min` and `max` of several values do not."""
    if name in FUNCTIONS and not checker.scope.levels:
        return False
    return name in AGGREGATES and (name not in FUNCTIONS or len(node.args) == 1 or bool(node.keywords))


def _aggregate(checker: CallContext, node: ast.Call, name: str) -> Tree:
    """Check `sum(row.size, where=row.is_risky)`: it goes over the innermost rows that these differ by."""
    at = offset_of(node)
    if len(node.args) != 1 or len(node.keywords) > 1:
        raise LanguageError(at, f"{name} of rows takes one argument, and where= with a condition")
    operand = checker.of_kind(node.args[0], BOOLEAN if name == "count" else NUMBER)
    where = checker.of_kind(node.keywords[0].value, BOOLEAN) if node.keywords else None
    used = rows_of(operand, checker.scope.row_names) | (
        rows_of(where, checker.scope.row_names) if where else frozenset()
    )
    over = next((one for one in reversed(checker.scope.levels) if one in used), None)
    if over is None:
        raise LanguageError(at, f"{name} goes over the rows of for_each, and this reads nothing of them")
    if name != "share":
        return Aggregate(at, name, over, operand, where)
    return Operation(at, Operator.DIVIDE, (operand, Aggregate(at, "sum", over, operand, where)))


def _keccak(node: ast.expr) -> Tree:
    if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
        raise LanguageError(offset_of(node), 'keccak takes a quoted text, as in keccak("IS_PAUSED")')
    return Literal(offset_of(node), keccak(node.value.encode()))


def _price(checker: CallContext, at: int, arguments: list[ast.expr]) -> tuple[Tree, ...]:
    """Check a token, or a quoted id of CoinGecko, and the feed to ask where the token has no market price."""
    if checker.scope.open:
        raise LanguageError(at, "price reads a market, which an answer has not: use it in a value or a check")
    checker.names.add("price()")
    token, *feed = arguments
    if not isinstance(token, ast.Constant) or not isinstance(token.value, str) or token.value.startswith("0x"):
        return (_address(checker, token), *(_address(checker, one) for one in feed))
    if not COINGECKO.fullmatch(token.value):
        raise LanguageError(offset_of(token), 'price takes an address, or an id as in "coingecko:bitcoin"')
    return (Literal(offset_of(token), token.value), *(_address(checker, one) for one in feed))


def _address(checker: CallContext, node: ast.expr) -> Tree:
    tree, kind = checker.part(node)
    if kind not in (ADDRESS, CONTRACT, ANYTHING):
        raise LanguageError(offset_of(node), f"an address is needed here, this is {kind}")
    return tree


def _view(checker: CallContext, node: ast.Call, function: ast.Attribute) -> tuple[Tree, ValueType]:
    target, kind = checker.part(function.value)
    if kind is not CONTRACT:
        hint = ": write erc20(…) around it" if kind is ADDRESS else ""
        raise LanguageError(offset_of(function.value), f"only a contract has views, this is {kind}{hint}")
    owner = function.value.id if isinstance(function.value, ast.Name) else ""
    view = resolve_view(checker.scope, owner, function.attr, len(node.args), attribute_offset(function))
    checker.names.add(f"{function.attr}()")
    if view is None:
        return Literal(offset_of(node), NONE), ANYTHING
    arguments = tuple(
        _argument(checker, argument, kind_of(abi)) for argument, abi in zip(node.args, view.inputs, strict=True)
    )
    outputs = tuple(kind_of(abi) for abi in view.outputs)
    kind = outputs[0] if len(outputs) == 1 else tuple_of(outputs)
    return ViewExpression(offset_of(node), target, view, arguments), kind


def _argument(checker: CallContext, node: ast.expr, wanted: ValueType) -> Tree:
    if wanted.parts:
        raise LanguageError(offset_of(node), f"{wanted} cannot be an argument")
    return _address(checker, node) if wanted is ADDRESS else checker.of_kind(node, wanted)
