"""What the bounds in a Python monitor say: a percentage that is written as a number, levels in a wrong order.

Called by `mistakes.py`. Only what is written out is looked at.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from fractions import Fraction

import utils.monitor
from monitoring.base.errors import UsageError
from monitoring.base.formatting import format_pct
from monitoring.checks.expression.values import Number, magnitude
from monitoring.checks.rules.keywords import number
from monitoring.checks.rules.steps import check_ladder
from monitoring.conditions.severity import Severity

_BOUNDS = ("below", "above", "clear", "worse_by")
Place = tuple[int, int, str]


def limit_mistakes(node: ast.Call, names: Mapping[str, str], constants: Mapping[str, ast.Constant]) -> Iterator[Place]:
    """Yield what is wrong with the bounds of one `m.limit`; `names` are those of utils.monitor, by the script's."""
    given = {each.arg: each.value for each in node.keywords if each.arg}
    for word in _BOUNDS:
        levels = _pairs(given.get(word))
        bounds = [pair[0] for pair in levels] or ([given[word]] if word in given else [])
        if isinstance(unit := given.get("unit"), ast.Constant) and unit.value == "%":
            yield from (found for one in bounds for found in _no_percentage(_constant(one, constants)))
        exact = [_number(_constant(pair[0], constants)) for pair in levels]
        severities = [_severity(pair[1], names) for pair in levels]
        known, ranks = [one for one in exact if one is not None], [one for one in severities if one is not None]
        if levels and len(known) == len(ranks) == len(levels):
            try:
                check_ladder(known, ranks, rising=word == "above", what="a limit")
            except UsageError as error:
                yield given[word].lineno, given[word].col_offset, str(error)


def _pairs(node: ast.expr | None) -> list[tuple[ast.expr, ast.expr]]:
    pairs = [one.elts for one in node.elts if isinstance(one, ast.Tuple)] if isinstance(node, ast.List) else []
    whole = isinstance(node, ast.List) and len(pairs) == len(node.elts)
    return [(one[0], one[1]) for one in pairs if len(one) == 2] if whole else []  # noqa: PLR2004 - a bound, a severity


def _constant(node: ast.expr, constants: Mapping[str, ast.Constant]) -> ast.Constant | None:
    found = constants.get(node.id) if isinstance(node, ast.Name) else node
    return found if isinstance(found, ast.Constant) else None


def _number(node: ast.Constant | None) -> Number | None:
    if node is None or isinstance(node.value, bool) or not isinstance(node.value, int | float | str):
        return None
    try:
        return number(node.value, "bound")
    except UsageError:
        return None


def _severity(node: ast.expr, names: Mapping[str, str]) -> Severity | None:
    found = getattr(utils.monitor, names.get(node.id, ""), None) if isinstance(node, ast.Name) else None
    return found if isinstance(found, Severity) else None


def _no_percentage(node: ast.Constant | None) -> Iterator[Place]:
    """Yield a bound above 1 that is a number, as in 90, which is 9,000%."""
    value, written = _number(node), str(ast.literal_eval(node)) if node is not None else ""
    if node is not None and value is not None and magnitude(value) > 1 and not written.strip().endswith("%"):
        means = format_pct(Fraction(value))
        text = f'the unit is %, so {written} means {means}: write the bound with %, as in "{written}%"'
        yield node.lineno, node.col_offset, text
