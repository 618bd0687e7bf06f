"""Imports a checkout's own packages, and every script as `python script.py` would find it, but never as `__main__`.

The sync starts it as `python -m automation.import_check SECONDS` in the directory of a candidate, so that the
candidate's own code says which scripts there are. One JSON list of failures on stdout; exit 0 even if there are
some. Every script gets a child of its own; this process never runs a line of a script.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import json
import os
import select
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

JOBS = Path("automation/jobs.yaml")
# What every run of a candidate would load: a mistake in here would stop all checks at once.
OWN_PACKAGES = ("automation", "monitoring", "utils")
_NAME = "checked_script"
_MAX_MESSAGE = 300


@dataclass(frozen=True, slots=True)
class ImportFailure:
    """One script or package that cannot be imported; `missing` is the module a ModuleNotFoundError names."""

    script: str
    kind: str
    message: str
    missing: str | None = None


@dataclass(frozen=True, slots=True)
class Script:
    """A script with the variables its tasks are given in jobs.yaml; two tasks that agree are checked once."""

    path: str
    environ: tuple[tuple[str, str], ...] = ()


def scheduled_scripts(checkout: Path) -> list[Script]:
    """Return the scripts of every enabled task of every enabled profile, as this checkout's own code reads them."""
    # By name, at the last moment: what stands in the candidate is meant, whatever it looks like.
    jobs = importlib.import_module("automation.jobs.load").load_jobs(checkout / JOBS, checkout)
    found = [
        Script(str(task.script), _merged(getattr(profile, "env", None), getattr(task, "env", None)))
        for profile in jobs.profiles.values()
        for task in (profile.tasks if profile.enabled else ())
        if task.enabled and task.script
    ]
    return list(dict.fromkeys(found))


def own_packages(checkout: Path) -> list[Script]:
    """Return the packages that the runner and the monitors are made of, as far as this checkout has them."""
    return [Script(name) for name in OWN_PACKAGES if (checkout / name / "__init__.py").is_file()]


def _merged(*environs: Mapping[str, str] | None) -> tuple[tuple[str, str], ...]:
    merged = {name: value for environ in environs for name, value in dict(environ or {}).items()}
    return tuple(sorted((str(name), str(value)) for name, value in merged.items()))


def check_scripts(scripts: Sequence[Script], checkout: Path, limit_s: float) -> list[ImportFailure]:
    """Import each script in a child; what one loads from outside the checkout is loaded once for those after it."""
    deadline = time.monotonic() + limit_s
    failures = []
    for script in scripts:
        answer = _check_in_child(script, checkout, deadline - time.monotonic(), limit_s)
        if isinstance(answer, ImportFailure):
            failures.append(answer)
        else:
            _load(answer)
    return failures


def _check_in_child(script: Script, checkout: Path, left_s: float, limit_s: float) -> ImportFailure | list[str]:
    """Return how the import failed, or the modules from outside the checkout that it loaded."""
    answer = os.memfd_create("answer")
    try:
        pid = os.fork()
        if pid == 0:
            _report(answer, script, checkout)
        status = _wait(pid, left_s)
        if status is None:
            return ImportFailure(
                script.path, "TimeoutError", f"not imported when the {limit_s:.0f} s for all scripts were over"
            )
        said = os.pread(answer, 1 << 22, 0)
    finally:
        os.close(answer)
    if not said:
        return ImportFailure(script.path, "ChildProcessError", f"the import ended the interpreter {_how(status)}")
    content = json.loads(said)
    return content if isinstance(content, list) else ImportFailure(**content)


def _wait(pid: int, left_s: float) -> int | None:
    """Return the wait status, None for a child that had to be killed at the deadline."""
    ended = os.pidfd_open(pid)
    try:
        in_time = bool(select.select([ended], [], [], max(left_s, 0))[0])
    finally:
        os.close(ended)
    if not in_time:
        os.kill(pid, signal.SIGKILL)
    status = os.waitpid(pid, 0)[1]
    return status if in_time else None


def _how(status: int) -> str:
    code = os.waitstatus_to_exitcode(status)
    return f"with exit code {code}" if code >= 0 else f"by {signal.Signals(-code).name}"


def _report(answer: int, script: Script, checkout: Path) -> None:
    before = set(sys.modules)
    try:
        failure = _import_failure(script, checkout)
        said = _outside(set(sys.modules) - before, checkout) if failure is None else asdict(failure)
        os.pwrite(answer, json.dumps(said).encode(), 0)
    finally:
        # Neither the parent's clean-up nor a thread the script started may go on in here.
        os._exit(0)


def _import_failure(script: Script, checkout: Path) -> ImportFailure | None:
    path = checkout / script.path
    try:
        if path.is_dir():
            _import_package(path, checkout)
        else:
            _import(path, dict(script.environ))
    except SystemExit as end:
        return None if end.code in (None, 0) else _failure(script, end, checkout)
    except BaseException as error:  # noqa: BLE001 - whatever a script raises is what is asked for
        return _failure(script, error, checkout)
    return None


def _failure(script: Script, error: BaseException, checkout: Path) -> ImportFailure:
    text = str(error)
    if isinstance(error, SyntaxError) and error.filename:
        # Python itself names the file without its folder.
        text = f"{error.msg} ({error.filename.removeprefix(f'{checkout}/')}, line {error.lineno})"
    message = " ".join(text.split())[:_MAX_MESSAGE]
    missing = error.name if isinstance(error, ModuleNotFoundError) else None
    return ImportFailure(script.path, type(error).__name__, message, missing)


def _import(path: Path, environ: Mapping[str, str]) -> None:
    os.environ.update(environ)
    sys.argv = [str(path)]
    sys.path[0] = str(path.parent)
    loader = importlib.machinery.SourceFileLoader(_NAME, str(path))
    spec = importlib.util.spec_from_loader(_NAME, loader)
    if spec is None:
        raise ImportError(f"{path} is no Python source")
    module = importlib.util.module_from_spec(spec)
    sys.modules[_NAME] = module
    loader.exec_module(module)


def _import_package(package: Path, checkout: Path) -> None:
    """Import every module of a package but its `__main__`, which would run."""
    sys.path[0] = str(checkout)
    for path in sorted(package.rglob("*.py")):
        names = path.relative_to(checkout).with_suffix("").parts
        if names[-1] != "__main__" and all(name.isidentifier() for name in names):
            importlib.import_module(".".join(name for name in names if name != "__init__"))


def _outside(names: set[str], checkout: Path) -> list[str]:
    specs = {name: getattr(sys.modules.get(name), "__spec__", None) for name in names - {_NAME}}
    return [
        name
        for name, spec in specs.items()
        if spec is not None and spec.name == name and spec.origin and not Path(spec.origin).is_relative_to(checkout)
    ]


def _load(names: Sequence[str]) -> None:
    for name in sorted(names):
        with suppress(Exception, SystemExit):
            importlib.import_module(name)


def main(arguments: Sequence[str]) -> int:
    checkout, limit_s = Path.cwd(), float(arguments[0])
    results = os.fdopen(os.dup(1), "w", encoding="utf-8")
    silence = os.open(os.devnull, os.O_RDWR)
    os.dup2(silence, 0)
    os.dup2(silence, 1)
    failures = check_scripts([*own_packages(checkout), *scheduled_scripts(checkout)], checkout, limit_s)
    with results:
        json.dump([asdict(failure) for failure in failures], results)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
