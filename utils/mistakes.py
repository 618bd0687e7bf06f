"""What is wrong in a Python monitor, found without running it: `file:line:column what is wrong and what to write`.

`python -m monitoring.checks validate SCRIPT` starts it as `python -m utils.mistakes`, and so does `automation
validate`, where what it finds are warnings. Nothing is imported or run; what cannot be known without that is left out.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson

import utils.monitor
from monitoring.base.errors import UsageError
from monitoring.base.suggest import did_you_mean, instead_of, nearest
from monitoring.chains.abi.addresses import SignatureError, check_address
from monitoring.chains.networks import network
from monitoring.checks.expression.views import parse_view
from monitoring.checks.rules.keywords import CommonOptions
from monitoring.checks.rules.verb import find_verb, verbs
from monitoring.conditions.severity import Severity
from utils.bound_mistakes import limit_mistakes
from utils.context import Context
from utils.name_mistakes import undefined_names, unread_readings

_MODULES = ("utils.monitor", "utils.testing", "utils.cache")
_COMMON = tuple(CommonOptions.__dataclass_fields__)
_AT_THE_END = 'write at the end: if __name__ == "__main__": main()'
Found = tuple[int, int, str]
FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


def mistakes_in(path: Path) -> list[str]:
    """Return a finished line for each mistake, in the order of the file; none for a script that is no monitor."""
    try:
        tree = ast.parse(path.read_bytes(), str(path))
    except SyntaxError as error:
        return [f"{path}:{error.lineno or 1}:{max(error.offset or 1, 1)} not Python: {error.msg}; correct the script"]
    except (OSError, ValueError) as error:
        return [f"{path}:1:1 the file cannot be read ({error}): correct its path"]
    return [f"{path}:{line}:{column + 1} {text}" for line, column, text in sorted(set(_mistakes(tree)))]


def _mistakes(tree: ast.Module) -> Iterator[Found]:
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            yield from _import_mistakes(node)
            if node.module == "utils.monitor":
                names |= {alias.asname or alias.name: alias.name for alias in node.names}
    decorator = next((mine for mine, theirs in names.items() if theirs == "monitor"), None)
    if decorator is None:
        return
    functions = [node for node in tree.body if isinstance(node, FunctionNode)]
    monitors = [node for node in functions if any(_name(each) == decorator for each in node.decorator_list)]
    yield from _frame_mistakes(tree, functions, monitors, decorator)
    constants = _constants(tree)
    for node in monitors:
        if isinstance(node, ast.AsyncFunctionDef):
            yield _at(node, "a monitor is a plain function: write def, not async def")
        if not node.args.args:
            yield _at(node, f"the function is given the context: write def {node.name}(m)")
            continue
        yield from _body_mistakes(node, node.args.args[0].arg, names, constants)
        yield from _key_mistakes(node, node.args.args[0].arg)
    if all(node.args.args for node in monitors):  # else the context is one, which is said already
        yield from undefined_names(tree)
    yield from unread_readings(tree, next((mine for mine, theirs in names.items() if theirs == "call"), None))


def _import_mistakes(node: ast.ImportFrom) -> Iterator[Found]:
    module = node.module or ""
    if module == "utils.monitor":
        known = [name for name in dir(utils.monitor) if not name.startswith("_")]
        for alias in node.names:
            if alias.name != "*" and alias.name not in known:
                right = {name.lower(): name for name in utils.monitor.__all__}
                near = nearest(alias.name, right)
                yield _at(alias, f"utils.monitor has no {alias.name}{f', did you mean {right[near]}?' if near else ''}")
    elif not node.level and module not in _MODULES and _is_ours_misspelt(module):
        yield _at(node, f"there is no module {module}{did_you_mean(module, _MODULES)}")


def _is_ours_misspelt(module: str) -> bool:
    top, _, name = module.partition(".")
    is_there = top == "utils" and (Path(utils.monitor.__file__).parent / f"{name}.py").is_file()
    return top in ("util", "utils", "utilities") and bool(name) and not is_there


def _frame_mistakes(
    tree: ast.Module, functions: Sequence[FunctionNode], monitors: Sequence[FunctionNode], decorator: str
) -> Iterator[Found]:
    """Yield what is missing around the function: its decorator, the decorator's name, the call that starts it."""
    if not monitors:
        bare = next((node for node in functions if node.name == "main"), None)
        if bare is not None:
            yield _at(bare, f'the function is no monitor: write @{decorator}("name") above def {bare.name}(m)')
        return
    for node in monitors:
        for each in node.decorator_list:
            if _name(each) == decorator and not (isinstance(each, ast.Call) and (each.args or each.keywords)):
                yield _at(each, f'the monitor needs a name: write @{decorator}("name") above def {node.name}(m)')
    called = {_name(node) for node in _outside_functions(tree) if isinstance(node, ast.Call)}
    if not called & {node.name for node in monitors}:
        yield _at(monitors[-1], f"nothing calls {monitors[-1].name}(), so the script does nothing: {_AT_THE_END}")


def _outside_functions(tree: ast.Module) -> Iterator[ast.AST]:
    for statement in tree.body:
        if not isinstance(statement, FunctionNode | ast.ClassDef):
            yield from ast.walk(statement)


def _body_mistakes(
    function: FunctionNode, context: str, names: dict[str, str], constants: dict[str, ast.Constant]
) -> Iterator[Found]:
    calls = [node for node in ast.walk(function) if isinstance(node, ast.Call)]
    uses = False
    for node in calls:
        target = node.func
        if isinstance(target, ast.Attribute) and _method(node, context):
            uses = True
            yield from _method_mistakes(node, target)
            if target.attr == "limit":
                yield from limit_mistakes(node, names, constants)
        elif isinstance(target, ast.Name) and names.get(target.id) == "call":
            yield from _call_mistakes(node, constants)
    printed = next((node for node in calls if _name(node) == "print"), None)
    passes_on = any(isinstance(node, ast.Name) and node.id == context for call in calls for node in call.args)
    if printed is not None and not uses and not passes_on:
        yield _at(printed, f"print reports nothing: judge with a verb as {context}.limit, or write {context}.alert")


def _key_mistakes(function: FunctionNode, context: str) -> Iterator[Found]:
    """Yield each key that a verb judges in every run and that `m.alert` or `m.resolve` names as well."""
    judged: dict[object, str] = {}
    for statement in function.body:
        call = statement.value if isinstance(statement, ast.Expr) else None
        name = _method(call, context)
        if isinstance(call, ast.Call) and call.args and find_verb(name) and isinstance(call.args[0], ast.Constant):
            key = call.args[0].value
            if key in judged:
                yield _at(call, f"the key {key!r} is judged already, by {judged[key]}: give each its own key")
            judged.setdefault(key, f"m.{name} in line {call.lineno}")
    for node in ast.walk(function):
        name = _method(node, context)
        if isinstance(node, ast.Call) and name in ("alert", "resolve"):
            named = [each.value for each in node.keywords if each.arg == "key"]
            named += node.args[:1] if name == "resolve" else []
            for one in named:
                if isinstance(one, ast.Constant) and one.value in judged:
                    yield _at(
                        call, f"the key {one.value!r} is judged by {judged[one.value]}: give m.{name} another key"
                    )


def _method(node: ast.AST | None, context: str) -> str:
    """Return the name of a method of the context that is called."""
    target = node.func if isinstance(node, ast.Call) else None
    if not isinstance(target, ast.Attribute) or not isinstance(target.value, ast.Name):
        return ""
    return target.attr if target.value.id == context else ""


def _method_mistakes(node: ast.Call, target: ast.Attribute) -> Iterator[Found]:
    name, verb = target.attr, find_verb(target.attr)
    if verb is not None and verb.python is not None:
        yield from _keyword_mistakes(node, f"m.{name}", (*_own_keywords(verb.python), *_COMMON))
        yield from _severity_mistakes(node, name, verb.python)
        return
    method = getattr(Context, name, None)
    if method is None:
        known = [*(one for one in dir(Context) if not one.startswith("_")), *verbs()]
        place = (target.end_lineno or node.lineno, (target.end_col_offset or 0) - len(name))
        yield (
            *place,
            f"m.{name} is not known{did_you_mean(name, known) or ': docs/write-a-monitor.md lists the verbs'}",
        )
        return
    if inspect.isfunction(method):
        yield from _keyword_mistakes(node, f"m.{name}", _own_keywords(method))
    if name == "alert":
        yield from _alert_mistakes(node)
    if name == "chain" and node.args and isinstance(node.args[0], ast.Constant):
        try:
            network(node.args[0].value)  # type: ignore[arg-type]  # anything that is no chain is refused there
        except UsageError as error:
            yield _at(node.args[0], str(error))


def _own_keywords(function: Callable[..., Any]) -> tuple[str, ...]:
    parameters = inspect.signature(function).parameters.values()
    kinds = (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return tuple(one.name for one in parameters if one.kind in kinds and one.name != "self")


def _keyword_mistakes(node: ast.Call, name: str, known: Sequence[str]) -> Iterator[Found]:
    for keyword in node.keywords:
        if keyword.arg is not None and keyword.arg not in (*known, "key"):
            yield _at(keyword, f"{name}(…, {keyword.arg}=…): unknown keyword, {instead_of(keyword.arg, known)}")


def _severity_mistakes(node: ast.Call, name: str, python: Callable[..., Any]) -> Iterator[Found]:
    given = next((each.value for each in node.keywords if each.arg == "severity"), None)
    if given is not None:
        yield from _not_a_severity(given)
        return
    has_levels = any(isinstance(each.value, ast.List | ast.Name | ast.Attribute) for each in node.keywords)
    is_open = any(each.arg is None for each in node.keywords) or "severities" in _own_keywords(python)
    if not has_levels and not is_open:
        yield _at(node, f"m.{name}(…): severity is missing: LOW, MEDIUM, HIGH or CRITICAL")


def _alert_mistakes(node: ast.Call) -> Iterator[Found]:
    first = node.args[0] if node.args else None
    if isinstance(first, ast.Starred) or any(each.arg in (None, "severity", "title") for each in node.keywords):
        return
    if first is None or len(node.args) == 1:
        yield _at(node, 'm.alert takes a severity and a title: write m.alert(HIGH, "what happened", …)')
    else:
        yield from _not_a_severity(first)


def _not_a_severity(node: ast.expr) -> Iterator[Found]:
    if isinstance(node, ast.Constant) and str(node.value).upper() not in Severity.__members__:
        right = nearest(str(node.value), [one.lower() for one in Severity.__members__])
        hint = f", did you mean {right.upper()}?" if right else ": write LOW, MEDIUM, HIGH or CRITICAL"
        yield _at(node, f"{node.value!r} is not a severity{hint}")


def _call_mistakes(node: ast.Call, constants: dict[str, ast.Constant]) -> Iterator[Found]:
    if len(node.args) < 2:  # noqa: PLR2004 - a target and a signature
        yield _at(node, 'call takes an address and a signature: write call(VAULT, "totalAssets()(uint256)")')
        return
    yield from _keyword_mistakes(node, "call", ("decimals",))
    target, signature, *arguments = node.args
    yield from _address_mistakes(target, constants)
    if not isinstance(signature, ast.Constant) or not isinstance(signature.value, str):
        return
    try:
        view = parse_view(signature.value)
    except SignatureError as error:
        yield (signature.lineno, signature.col_offset + 1 + error.offset, error.reason)
        return
    if len(arguments) != len(view.inputs) and not any(isinstance(one, ast.Starred) for one in arguments):
        yield _at(node, f"{view.name} takes {len(view.inputs)} arguments, not {len(arguments)}")


def _address_mistakes(target: ast.expr, constants: dict[str, ast.Constant]) -> Iterator[Found]:
    found = constants.get(target.id) if isinstance(target, ast.Name) else target
    if not isinstance(found, ast.Constant):
        return
    if isinstance(found.value, int):
        yield _at(found, "an address is a text: put it in quotes")
        return
    try:
        check_address(str(found.value))
    except SignatureError as error:
        yield _at(found, error.reason)


def _constants(tree: ast.Module) -> dict[str, ast.Constant]:
    """Return the names that a script gives constants, once each, at its top."""
    found: dict[str, ast.Constant] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            found |= {target.id: node.value for target in node.targets if isinstance(target, ast.Name)}
    return found


def _name(node: ast.AST) -> str:
    """Return the name that a decorator or a call is of."""
    called = node.func if isinstance(node, ast.Call) else node
    return called.id if isinstance(called, ast.Name) else ""


def _at(node: Any, text: str) -> Found:  # noqa: ANN401 - every node with a place
    return node.lineno, node.col_offset, text


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m utils.mistakes", description="Find mistakes in Python monitors.")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("scripts", nargs="+", type=Path)
    options = parser.parse_args(argv)
    found = [line for script in options.scripts for line in mistakes_in(script)]
    if options.json:
        sys.stdout.write(orjson.dumps(found).decode() + "\n")
    else:
        sys.stderr.writelines(f"{line}\n" for line in found)
    return 2 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
