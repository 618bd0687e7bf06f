"""Small faults put into a module, one at a time: what a test suite has to notice. Pure: source in, mutants out.

A mutant is written as the expression before and after, so that it keeps its name when lines move.
"""

from __future__ import annotations

import ast
import copy
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
_ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv, ast.FloorDiv: ast.Mult, ast.Div: ast.Mult,
}  # fmt: skip
_MOST_SHOWN = 90


@dataclass(frozen=True, slots=True)
class Mutant:
    """One fault: where it is, how the code reads before and after, and the whole module with it."""

    place: str
    line: int
    before: str
    after: str
    tree: ast.Module

    @property
    def name(self) -> str:
        """Return `place: before => after`, which says it without a line number."""
        return f"{self.place}: {self.before} => {self.after}"


def mutants_of(source: str, limit: int | None = None) -> list[Mutant]:
    """Return the mutants of a module in its order; with a `limit`, a sample that is the same for the same source."""
    found = list({mutant.name: mutant for mutant in _all_mutants(ast.parse(source))}.values())
    if limit is None or len(found) <= limit:
        return found
    chosen = sorted(found, key=lambda mutant: hashlib.sha256(mutant.name.encode()).digest())[:limit]
    return sorted(chosen, key=lambda mutant: (mutant.line, mutant.name))


def _all_mutants(tree: ast.Module) -> Iterator[Mutant]:
    for number, (node, _, place) in enumerate(_visited(tree, ())):
        for change in _changes(node):
            changed = copy.deepcopy(tree)
            target, parent, _ = next(found for at, found in enumerate(_visited(changed, ())) if at == number)
            shown = parent if isinstance(target, ast.Constant) else target
            before = ast.unparse(shown)
            change(target)
            after = ast.unparse(shown)
            if after != before:
                line = getattr(node, "lineno", 0)
                yield Mutant(".".join(place), line, _short(before), _short(after), ast.fix_missing_locations(changed))


def _visited(
    node: ast.AST, place: tuple[str, ...], around: ast.AST | None = None
) -> Iterator[tuple[ast.AST, ast.AST, tuple[str, ...]]]:
    """Yield every node that runs, what it is part of, and the names of the functions and classes around it."""
    for name, value in ast.iter_fields(node):
        if name in {"annotation", "returns", "decorator_list", "type_params"}:
            continue
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST) or _is_left_out(child, node):
                continue
            yield child, around or node, place
            named = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
            # A number alone, or one with its sign, names no place: what it is part of is shown.
            outer = node if isinstance(child, ast.UnaryOp) else None
            yield from _visited(child, (*place, child.name) if named else place, outer)


def _is_left_out(node: ast.AST, parent: ast.AST) -> bool:
    """Tell what is not tried: docstrings, texts, the log; a class's own values, which are read when it is made."""
    if isinstance(parent, ast.ClassDef) and not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return True
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        called = ast.unparse(node.value.func)
        return called.startswith(("log.", "_log."))
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return True
    return isinstance(node, ast.JoinedStr | ast.Import | ast.ImportFrom)


def _changes(node: ast.AST) -> Iterator[Callable[..., None]]:
    match node:
        case ast.Compare():
            yield from (_set_comparison(at) for at in range(len(node.ops)))
        case ast.BoolOp():
            yield lambda target: setattr(target, "op", ast.Or() if isinstance(target.op, ast.And) else ast.And())
        case ast.BinOp() if type(node.op) in _ARITHMETIC and not _holds_text(node):
            yield lambda target: setattr(target, "op", _ARITHMETIC[type(target.op)]())
        case ast.Constant(value=bool()):
            yield lambda target: setattr(target, "value", not target.value)
        case ast.Constant(value=int() | float()):
            yield lambda target: setattr(target, "value", target.value + 1)
            yield lambda target: setattr(target, "value", target.value - 1)
        case ast.If() | ast.While() | ast.IfExp() if not isinstance(node.test, ast.Compare):
            yield lambda target: setattr(target, "test", ast.UnaryOp(ast.Not(), target.test))
        case ast.Return(value=ast.expr() as value) if not (isinstance(value, ast.Constant) and value.value is None):
            yield lambda target: setattr(target, "value", ast.Constant(None))
        case ast.Expr() | ast.AugAssign() | ast.Raise() | ast.Continue() | ast.Break():
            yield _drop


def _set_comparison(at: int) -> Callable[..., None]:
    def change(target: ast.Compare) -> None:
        target.ops[at] = _COMPARISONS[type(target.ops[at])]()

    return change


def _drop(target: ast.stmt) -> None:
    """Let the statement be one that does nothing."""
    nothing = ast.Expr(ast.Constant(...))
    target.__class__ = nothing.__class__  # type: ignore[assignment]
    target.__dict__ = {**target.__dict__, **nothing.__dict__}


def _holds_text(node: ast.BinOp) -> bool:
    return any(
        isinstance(child, ast.JoinedStr) or (isinstance(child, ast.Constant) and isinstance(child.value, str))
        for child in ast.walk(node)
    )


def _short(text: str) -> str:
    """Return the first line of a statement, cut where it gets too long to read."""
    line = " ".join(text.splitlines()[0].split())
    return line if len(line) <= _MOST_SHOWN else line[: _MOST_SHOWN - 1] + "…"
