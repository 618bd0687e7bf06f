"""Runs drills that are Python: the functions `test_…` of each `test_*.py` next to a monitor, without a test library.

A Python monitor has such drills, and a monitor file whose checks are those of built-in types, which have no formula.

A function may ask for `tmp_path`, as `utils.testing.run` wants one. What needs more runs under pytest.
"""

from __future__ import annotations

import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from monitoring.base.errors import UsageError
from monitoring.checks.drill.rehearse import CheckResult


def drills_of(script: Path) -> list[Path]:
    """Return the files of drills next to a script; a file of drills is its own."""
    return [script] if script.name.startswith("test_") else sorted(script.parent.glob("test_*.py"))


def rehearse_script(script: Path) -> list[CheckResult]:
    """Run each drill and return one result a function.

    Raises:
        UsageError: there is no drill, or a file of drills cannot be loaded.
    """
    files = drills_of(script)
    if not files:
        example = script.with_name(f"test_{script.parent.name}.py")
        raise UsageError(f"{script} has no drill: write {example} with functions test_…(tmp_path), see docs/how-to")
    return [_result(file, name, function) for file in files for name, function in _functions(file)]


def _functions(file: Path) -> list[tuple[str, Callable[..., Any]]]:
    spec = importlib.util.spec_from_file_location(f"drill_{file.stem}", file)
    if spec is None or spec.loader is None:
        raise UsageError(f"{file} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(file.parent))
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise UsageError(f"{file}:{_line(error, file)} cannot be loaded: {type(error).__name__}: {error}") from error
    finally:
        sys.path.remove(str(file.parent))
    found = inspect.getmembers(module, inspect.isfunction)
    drills: list[tuple[str, Callable[..., Any]]] = [each for each in found if each[0].startswith("test_")]
    if not drills:
        raise UsageError(f"{file}: no function is called test_…")
    return drills


def _result(file: Path, name: str, function: Callable[..., Any]) -> CheckResult:
    result = CheckResult(name)
    unknown = [parameter for parameter in inspect.signature(function).parameters if parameter != "tmp_path"]
    if unknown:
        by_hand = f"PYTHONPATH={file.parent} python -m pytest {file}"
        what = f"needs {', '.join(unknown)}, which only pytest has"
        result.problems.append(f"{what}: take it out (`environ=` of `run` sets variables), or run {by_hand}")
        return result
    with TemporaryDirectory(prefix="monitoring-drill-") as folder:
        given = {"tmp_path": Path(folder)} if inspect.signature(function).parameters else {}
        try:
            function(**given)
        except Exception as error:  # noqa: BLE001 - whatever a drill raises is its result
            said = str(error).strip() or _source(error, file)
            result.problems.append(f"{file.name}:{_line(error, file)} {type(error).__name__}: {said}")
        else:
            result.did.append("as drilled")
    return result


def _line(error: BaseException, file: Path) -> int:
    if isinstance(error, SyntaxError):
        return error.lineno or 1
    frames = _frames(error, file)
    return (frames[-1].lineno or 1) if frames else 1


def _source(error: BaseException, file: Path) -> str:
    """Return the line of the drill that failed: an assertion says nothing by itself."""
    frames = _frames(error, file)
    return (frames[-1].line or "") if frames else ""


def _frames(error: BaseException, file: Path) -> list[traceback.FrameSummary]:
    """Return the calls in a file of drills; Python names it by its whole path, however it was named to us."""
    return [one for one in traceback.extract_tb(error.__traceback__) if Path(one.filename) == file.resolve()]
