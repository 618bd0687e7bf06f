"""`python -m monitoring.checks test FILE`: runs the drills of monitors and prints what each check did."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from monitoring.base.errors import ConfigError, UsageError
from monitoring.base.plural import counted
from monitoring.checks.builtin import TYPES
from monitoring.checks.config.load import load_monitor
from monitoring.checks.drill.file import drill_path, formula_parts, load_drilled
from monitoring.checks.drill.rehearse import CheckResult, rehearse
from monitoring.checks.drill.scripts import drills_of, rehearse_script


def test_files(files: Sequence[str]) -> int:
    """Run the drills of each file. 0 if every check does as drilled, 1 if one does not, 2 for a mistake in a file."""
    codes = [0]
    for file in files:
        try:
            codes.append(_test(Path(file)))
        except ConfigError as error:
            sys.stderr.writelines(f"{line}\n" for line in error.mistakes)
            codes.append(2)
        except UsageError as error:
            sys.stderr.write(f"{error}\n")
            codes.append(2)
    return max(codes)


def _test(path: Path) -> int:
    if path.suffix == ".py":
        if not path.is_file():
            raise UsageError(f"{path} is not there: correct the path")
        return _show(path, rehearse_script(path), "drill")
    is_data = not formula_parts(load_monitor(path, TYPES))
    if is_data and drills_of(path):
        return _show(path, rehearse_script(path), "drill")
    if is_data:
        why = "its checks are those of built-in types, which have no formula and are tested with the product"
        sys.stdout.write(f"{path}: nothing to drill: {why}\n")
        return 0
    if not drill_path(path).is_file():
        raise UsageError(f"{path} has no drill: write {drill_path(path)}, as docs/drill-yaml.md describes")
    return _show(path, rehearse(load_drilled(path)), "check")


def _show(path: Path, results: Sequence[CheckResult], noun: str) -> int:
    """Write one line a check, under it what it did not do as drilled, and one line in numbers."""
    lines = [f"{path}:"]
    width = max(len(result.check) for result in results)
    for result in results:
        word = "FAIL" if result.problems else "ok" if result.is_drilled else "-"
        did = ", ".join(result.did) if result.is_drilled else f"no drill: add one to {drill_path(path)}"
        lines.append(f"  {word:<4}  {result.check:<{width}}  {did if word != 'FAIL' else ''}".rstrip())
        lines += [f"          {problem}" for problem in result.problems]
    good = sum(not result.problems and result.is_drilled for result in results)
    lines.append(f"{good} of {counted(len(results), noun)} as drilled")
    sys.stdout.write("\n".join(lines) + "\n")
    return int(any(result.problems for result in results))
