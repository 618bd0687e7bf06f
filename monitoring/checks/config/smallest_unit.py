"""Finds an amount in a token's smallest unit where the check's unit says that it is money or whole tokens.

`totalAssets() >= 1000` with `unit: usd` would be compared with a thousandth of a cent. A warning, not a mistake: a file
that ran before goes on running. Called by `load.py`, offline.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from monitoring.checks.config.yaml_node import Spot
from monitoring.checks.engine.formula_checks import Check
from monitoring.checks.expression.tree import (
    Apply,
    Expression,
    IfElse,
    Literal,
    Name,
    Operation,
    Operator,
    Pick,
    Tree,
    ViewExpression,
    children,
)
from monitoring.checks.expression.values import Number, is_number

# Views that return an amount of a token as the token counts it: the standards' own, and those of the library.
_AMOUNTS = frozenset({
    "allowance", "assetsUnderManagement", "availableWithdrawLimit", "balanceOf", "balances", "bridgedSupply",
    "convertToAssets", "convertToExitAssets", "convertToShares", "getDebtCap", "getMarketLiquidity",
    "getTotalPooledEther", "lockedProfit", "maxDeposit", "maxMint", "maxRedeem", "maxWithdraw", "previewDeposit",
    "previewMint", "previewRedeem", "previewWithdraw", "totalAssets", "totalBorrow", "totalDebt", "totalIdle",
    "totalShares", "totalSupply", "totalsCollateral",
})  # fmt: skip
_ITSELF = frozenset({"wei", "raw", "units"})  # units that are a token's smallest
_FEWEST_DECIMALS = 100  # a smaller divisor is a share of the amount: a token has two decimals at least


def warn_of_smallest_unit(spot: Spot, check: Check, values: Mapping[str, Expression]) -> None:
    """Note at the check's unit that its amount is not in that unit."""
    unit = spot.get("unit")
    is_priced = check.verb == "delta" and len(check.trees) > 1
    if unit is None or check.unit.lower() in {"%", *_ITSELF} or is_priced:
        return
    known = {name: value.tree for name, value in values.items()}
    view = next((found for tree in check.trees if (found := _amount(tree, known))), "")
    if view:
        unit.below(f"checks.{check.id}.unit").doubt(
            f"{view} returns the token's smallest unit, not {check.unit}: divide it by the token's decimals, "
            "as in … / 1e18, or / 1e6 for USDC"
        )


def _amount(tree: Tree, values: Mapping[str, Tree]) -> str:
    """Return the view whose undivided amount this is, nothing if it is in another unit."""
    match tree:
        case ViewExpression(view=view) if view.name in _AMOUNTS:
            return view.name
        case Name(name=name) if name in values:
            return _amount(values[name], values)
        case IfElse(then=then, otherwise=otherwise):
            return _first((then, otherwise), values)
        case Pick() | Apply(function="min" | "max" | "abs" | "-"):
            return _first(children(tree), values)
        case Operation(operator=operator, operands=parts):
            return _of_operation(operator, parts, values)
    return ""


def _first(parts: Iterable[Tree], values: Mapping[str, Tree]) -> str:
    return next((found for part in parts if (found := _amount(part, values))), "")


def _of_operation(operator: Operator, parts: tuple[Tree, ...], values: Mapping[str, Tree]) -> str:
    if operator is Operator.DIVIDE:
        return _amount(parts[0], values) if 0 < _size(parts[1]) < _FEWEST_DECIMALS else ""
    if operator is Operator.MULTIPLY and any(_divides(part, values) for part in parts):
        return ""  # by a factor that may hold the decimals
    return _first(parts, values)


def _size(tree: Tree) -> Number:
    """Return how large a constant is, 0 of everything else."""
    if not isinstance(tree, Literal) or not is_number(tree.value):
        return 0
    return max(tree.value, -tree.value)


def _divides(tree: Tree, values: Mapping[str, Tree]) -> bool:
    """Return whether something small or divided is in here."""
    if isinstance(tree, Literal):
        return 0 < _size(tree) * _FEWEST_DECIMALS <= 1
    if isinstance(tree, Name):
        return "." in tree.name or (tree.name in values and _divides(values[tree.name], values))
    is_division = isinstance(tree, Operation) and tree.operator is Operator.DIVIDE
    return is_division or any(_divides(part, values) for part in children(tree))
