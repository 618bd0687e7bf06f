"""What the names in a Python monitor lead to: a name that is given nowhere, a reading that was not read.

Called by `mistakes.py`. Only what is certain without running the script is said.
"""

from __future__ import annotations

import ast
import builtins
from collections import Counter
from collections.abc import Iterator

import utils.monitor
from monitoring.base.suggest import nearest

_GIVEN = {*dir(builtins), "__file__", "__name__", "__annotations__", "__builtins__", "__path__", "__class__"}
_MAKES_NAMES = {"exec", "eval", "globals", "locals", "vars", "setattr"}
Place = tuple[int, int, str]


def undefined_names(tree: ast.Module) -> Iterator[Place]:
    """Yield each name that no line of the script gives; nothing where a line may give any name."""
    unread = {id(part) for one in _annotations(tree) for part in ast.walk(one)}
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name) and id(node) not in unread]
    used = [node for node in names if isinstance(node.ctx, ast.Load)]
    bound = set(_bound(tree))
    if "*" in bound or _MAKES_NAMES & {node.id for node in used}:
        return
    for node in used:
        if node.id not in bound and node.id not in _GIVEN:
            yield node.lineno, node.col_offset, f"{node.id} is not defined{_remedy(node.id, bound)}"


def _annotations(tree: ast.AST) -> Iterator[ast.expr]:
    """Yield what Python may never evaluate."""
    for node in ast.walk(tree):
        for one in (getattr(node, "annotation", None), getattr(node, "returns", None)):
            if isinstance(one, ast.expr):
                yield one


def _remedy(name: str, bound: set[str]) -> str:
    if name in utils.monitor.__all__:
        return f": write from utils.monitor import {name}"
    right = {one.lower(): one for one in (*utils.monitor.__all__, *bound)}
    near = nearest(name, right)
    return f", did you mean {right[near]}?" if near else ": import it, or give it a value"


def _bound(tree: ast.AST) -> Iterator[str]:
    """Yield every name that is given a meaning anywhere, once for each time."""
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Store() | ast.Del()) | ast.arg(arg=name):
                yield name
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.Import(names=names) | ast.ImportFrom(names=names):
                yield from ((one.asname or one.name).partition(".")[0] for one in names)
            case ast.Global(names=names) | ast.Nonlocal(names=names):
                yield from names
            case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                yield name
            case ast.MatchMapping(rest=str(name)):
                yield name
            case _ if type(node).__name__ in ("TypeVar", "ParamSpec", "TypeVarTuple"):  # of a later Python
                yield str(getattr(node, "name", ""))


def unread_readings(tree: ast.Module, call: str | None) -> Iterator[Place]:
    """Yield each `found.name` where `found` is one `read(…)` of views, named once, that does not read `name`.

    `call` is what the script calls `utils.monitor.call`.
    """
    times = Counter(_bound(tree))
    readings = {
        node.targets[0].id: names
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name)
        if times[node.targets[0].id] == 1 and (names := _read_names(node.value, call))
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in readings:
            names = readings[node.value.id]
            if node.attr not in names and not node.attr.startswith("__"):
                column = (node.end_col_offset or 0) - len(node.attr)
                place = node.end_lineno or node.lineno
                yield place, column, f"{node.attr} was not read here; this has {', '.join(names)}"


def _read_names(node: ast.expr, call: str | None) -> list[str]:
    """Return the names of a `read(a=call(…), …)`, none of anything else."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or node.func.attr != "read":
        return []
    views = [
        each.arg
        for each in node.keywords
        if each.arg and isinstance(each.value, ast.Call) and isinstance(each.value.func, ast.Name)
        if each.value.func.id == call
    ]
    return views if not node.args and len(views) == len(node.keywords) else []
