"""Puts small faults into modules whose decisions matter most, and says which of them the unit tests do not notice.

    python -m tools.mutation [--limit N] [TARGET …]

The tests are collected once; each fault then gets a forked process in which the functions of the module carry it, and
is over with the first test that fails. Tests that start processes of their own would see the module as it is: they
are not among those named here.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import importlib
import inspect
import os
import resource
import signal
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import pytest

from tools.mutants import Mutant, mutants_of

ROOT = Path(__file__).resolve().parents[1]
_NOT_PUT_IN = 77
_CPU_FACTOR, _CPU_LEAST_S = 4, 10
_PLAIN = (int, float, str, bool, timedelta, type(None), frozenset, tuple)


@dataclass(frozen=True, slots=True)
class Target:
    """A decision: the modules that make it, and the tests that have to notice a fault in them."""

    modules: tuple[str, ...]
    tests: tuple[str, ...]
    but: str = ""  # the tests, as for `pytest -k`, that take too long to be asked for each fault


TARGETS = {
    "transition": Target(
        ("monitoring.conditions.transition",), ("tests/unit/test_transition.py", "tests/unit/test_conditions.py")
    ),
    "outbox": Target(
        ("monitoring.store.tables.outbox", "monitoring.alerts.delivery.lease", "monitoring.alerts.delivery.outbox"),
        ("tests/unit/test_pacing.py", "tests/integration/test_delivery.py"),
    ),
    "reconcile": Target(
        ("monitoring.ledger.reconcile", "monitoring.ledger.ticks", "monitoring.ledger.causes"),
        ("tests/unit/test_ticks.py", "tests/integration/test_reconcile.py"),
        but="year_of_silence",
    ),
    "redaction": Target(
        ("monitoring.base.secrets.redact", "monitoring.base.secrets.secret_values"),
        ("tests/unit/test_redact.py", "tests/cases/test_e01_no_piece_of_a_secret_survives.py"),
        but="leaves_by_journal or cuts_of_a_tasks_output",
    ),
    "probation": Target(
        ("automation.sync.probation", "automation.sync.first_run", "automation.sync.other_profiles"),
        (
            "tests/unit/test_first_run.py",
            "tests/integration/test_probation.py",
            "tests/cases/test_b01_another_profile_dies.py",
        ),
    ),
}


@dataclass
class Score:
    """What became of the mutants of one target."""

    target: str
    killed: int = 0
    survivors: list[str] = field(default_factory=list)

    @property
    def total(self) -> int:
        return self.killed + len(self.survivors)


class _EachMutant:
    """Runs the collected tests once as they are, then once for each mutant."""

    def __init__(self, name: str, limit: int | None) -> None:
        self.score = Score(name)
        self._modules, self._limit = TARGETS[name].modules, limit

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        if session.testsfailed or not session.items:
            raise pytest.UsageError("the tests cannot be collected")
        session.items.sort(key=lambda item: item.get_closest_marker("case") is not None)
        before_s = _children_s()
        if _run_forked(session, None, 600):
            raise pytest.UsageError("the tests fail without any fault")
        cpu_s = int(_CPU_LEAST_S + _CPU_FACTOR * (_children_s() - before_s))
        for name in self._modules:
            module = importlib.import_module(name)
            for mutant in mutants_of(inspect.getsource(module), self._limit):
                if _run_forked(session, (module, mutant), cpu_s):
                    self.score.killed += 1
                else:
                    self.score.survivors.append(f"{name}.{mutant.name}")
                    print(f"\n  survives  {self.score.survivors[-1]}", flush=True)
        return True


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _run_forked(session: pytest.Session, fault: tuple[ModuleType, Mutant] | None, cpu_s: int) -> bool:
    """Run the tests in a child of this process; tell whether one failed, or took the child down, or never ended."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        code = _NOT_PUT_IN
        try:
            _be_quiet(cpu_s)
            if fault is not None:
                put_in(*fault)
            code = 2
            code = int(_some_test_fails(session))
        finally:
            os._exit(code)
    try:
        _, status = os.waitpid(child, 0)
    finally:
        _end_group(child)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status) == _NOT_PUT_IN:
        raise pytest.UsageError(f"this fault cannot be put in: {fault and fault[1].name}")
    return status != 0


def _be_quiet(cpu_s: int) -> None:
    os.setpgid(0, 0)
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s))
    # A fault may let a test wait for what never comes.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(cpu_s * 6)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)


def _end_group(child: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)


def _some_test_fails(session: pytest.Session) -> bool:
    for number, item in enumerate(session.items):
        following = session.items[number + 1] if number + 1 < len(session.items) else None
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if session.testsfailed:
            return True
    return False


def put_in(module: ModuleType, mutant: Mutant) -> None:
    """Let the functions of a loaded module, and its constants wherever they were imported, carry a fault."""
    codes = {code.co_qualname: code for code in _codes(compile(mutant.tree, module.__file__ or "", "exec"))}
    for function in _functions(module):
        changed = codes.get(function.__code__.co_qualname)
        if changed is not None and changed.co_freevars == function.__code__.co_freevars:
            function.__code__ = changed
    for statement in mutant.tree.body:
        if isinstance(statement, ast.Assign | ast.AnnAssign) and statement.value is not None:
            _put_constant(module, statement)
    _put_defaults(module, mutant)


def _codes(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _codes(constant)


def _functions(module: ModuleType) -> Iterator[FunctionType]:
    holders: list[Any] = [module, *(each for each in vars(module).values() if inspect.isclass(each))]
    for holder in holders:
        for value in list(vars(holder).values()):
            if isinstance(value, property | cached_property):
                found: object = value.fget if isinstance(value, property) else value.func
            else:
                found = inspect.unwrap(getattr(value, "__func__", value))
            if isinstance(found, FunctionType) and found.__module__ == module.__name__:
                yield found


def _put_constant(module: ModuleType, statement: ast.Assign | ast.AnnAssign) -> None:
    target = statement.targets[0] if isinstance(statement, ast.Assign) else statement.target
    if not isinstance(target, ast.Name) or not isinstance(vars(module).get(target.id), _PLAIN):
        return
    old, new = vars(module)[target.id], _value_of(statement.value, module)
    if new == old and type(new) is type(old):
        return
    for other in list(sys.modules.values()):
        if vars(other).get(target.id) is old:
            setattr(other, target.id, new)


def _put_defaults(module: ModuleType, mutant: Mutant) -> None:
    for node in mutant.tree.body:
        function = inspect.unwrap(vars(module).get(getattr(node, "name", ""), _value_of))
        if isinstance(node, ast.FunctionDef) and isinstance(function, FunctionType) and node.args.defaults:
            values = [_value_of(each, module) for each in node.args.defaults]
            function.__defaults__ = tuple(
                new if isinstance(new, _PLAIN) else old for old, new in zip(function.__defaults__, values, strict=True)
            )


def _value_of(expression: ast.expr, module: ModuleType) -> Any:  # noqa: ANN401 - whatever a module holds
    return eval(compile(ast.Expression(expression), "", "eval"), vars(module))


def score_of(name: str, limit: int | None = None) -> Score:
    """Try the mutants of a target, `limit` of each module at most.

    Raises:
        RuntimeError: the tests do not pass without a fault.
    """
    each = _EachMutant(name, limit)
    options = ["-q", "--no-header", "-p", "no:cacheprovider", "--timeout=0", "-m", "not (ci or host or proof)"]
    if TARGETS[name].but:
        options += ["-k", f"not ({TARGETS[name].but})"]
    code = pytest.main([*options, "--maxfail=1", *(str(ROOT / test) for test in TARGETS[name].tests)], plugins=[each])
    if code not in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED}:
        raise RuntimeError(f"the tests of {name} do not pass without a fault (pytest ended with {code})")
    return each.score


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.mutation", description=__doc__.partition("\n")[0])
    parser.add_argument("targets", nargs="*", choices=[*TARGETS, []], metavar="TARGET", help=", ".join(TARGETS))
    parser.add_argument("--limit", type=int, help="try at most so many of each module, the same ones each time")
    asked = parser.parse_args(arguments)
    for name in asked.targets or TARGETS:
        score = score_of(name, asked.limit)
        print(f"\n{name}: {score.killed} of {score.total} noticed", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
