"""What a commit's requirements.lock asks of the venv that runs here; for the validation of a candidate.

A version that differs is no reason to refuse (the lock stays inert until `make sync`), a distribution that is not
there at all is.
"""

from __future__ import annotations

import ast
import operator
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

_REQUIREMENT = re.compile(
    r"([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^]]*])?\s*(?:==|@)\s*(?P<version>[^\s;\\]*)[^;\\]*(?:;(?P<marker>[^\\]*))?"
)
_INSTALLED = (".dist-info", ".egg-info")
_COMPARISONS: Mapping[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda left, right: operator.contains(right, left),
    ast.NotIn: lambda left, right: not operator.contains(right, left),
}


def missing_distributions(lock: Path) -> list[str]:
    """Return what the lock file names for this platform and the running venv has in no version at all."""
    installed = _installed_versions()
    required = required_distributions(lock.read_text(encoding="utf-8"))
    return [name for name in required if _normal(name) not in installed and _version_in_metadata(name) is None]


def required_distributions(text: str) -> Iterator[str]:
    """Yield the distributions a compiled requirements file names for this platform."""
    yield from pinned_versions(text)


def pinned_versions(text: str) -> dict[str, str]:
    """Return the versions a compiled requirements file pins for this platform, by distribution."""
    environment = _marker_environment()
    pins = filter(None, map(_REQUIREMENT.match, text.splitlines()))
    return {pin[1]: pin["version"] for pin in pins if pin["marker"] is None or marker_holds(pin["marker"], environment)}


def differing_distributions(lock: Path) -> list[str]:
    """Return what the running venv has otherwise than the lock file pins it: `make sync` would change it.

    Raises:
        OSError: the lock file cannot be read.
    """
    installed = _installed_versions()
    pins = pinned_versions(lock.read_text(encoding="utf-8"))
    suspects = [name for name, version in pins.items() if installed.get(_normal(name)) != version]
    found = {name: _version_in_metadata(name) for name in suspects}
    return [
        f"{name} is {version or 'missing'}, the lock says {pins[name]}"
        for name, version in found.items()
        if version != pins[name]
    ]


def _installed_versions() -> dict[str, str]:
    """Return the distributions of the running venv by the names of their directories.

    To parse the metadata of each would be half the cost of `status`.
    """
    found: dict[str, str] = {}
    for directory in sys.path:
        for entry in _distribution_names(directory):
            name, _, version = Path(entry.rpartition(" ")[0]).stem.partition("-")
            found.setdefault(_normal(name), version)
    return found


def _version_in_metadata(name: str) -> str | None:
    """Return the version by the metadata, which decides where the name of a directory raises a doubt."""
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415 - only a difference needs it

    try:
        return version(name)
    except PackageNotFoundError:
        return None


def venv_fingerprint(path: Iterable[str] | None = None) -> str:
    """Return a text that changes with every distribution installed, removed or replaced in the running venv."""
    names = {name for entry in (sys.path if path is None else path) for name in _distribution_names(entry)}
    import hashlib  # noqa: PLC0415 - it loads OpenSSL, and `status` asks for no fingerprint

    return hashlib.sha256("\n".join([sys.version, *sorted(names)]).encode()).hexdigest()[:16]


def _distribution_names(directory: str) -> Iterator[str]:
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                if entry.name.endswith(_INSTALLED):
                    # The time reveals a reinstallation of the same version.
                    yield f"{directory}/{entry.name} {entry.stat().st_mtime_ns}"
    except OSError:
        return


def marker_holds(marker: str, environment: Mapping[str, str]) -> bool:
    """Evaluate an environment marker (PEP 508), which is written in a subset of Python's own grammar.

    A marker that cannot be evaluated does not hold: importing the scripts finds what is really missing.
    """
    try:
        return bool(_evaluate(ast.parse(marker.strip(), mode="eval").body, environment))
    except (SyntaxError, ValueError, KeyError, TypeError):
        return False


def _evaluate(node: ast.expr, environment: Mapping[str, str]) -> object:
    match node:
        case ast.BoolOp(op=ast.And(), values=values):
            return all(_evaluate(value, environment) for value in values)
        case ast.BoolOp(op=ast.Or(), values=values):
            return any(_evaluate(value, environment) for value in values)
        case ast.Compare(left=left, ops=[comparison], comparators=[right]):
            versions = any(isinstance(side, ast.Name) and side.id.endswith("_version") for side in (left, right))
            sides = [_text(side, environment) for side in (left, right)]
            operands: list[object] = [_version(side) for side in sides] if versions else list(sides)
            return _COMPARISONS[type(comparison)](*operands)
        case _:
            raise ValueError(ast.dump(node))


def _text(node: ast.expr, environment: Mapping[str, str]) -> str:
    match node:
        case ast.Name(id=name):
            return environment[name]
        case ast.Constant(value=str(text)):
            return text
        case _:
            raise ValueError(ast.dump(node))


def _version(text: str) -> tuple[int, ...]:
    numbers = [int(number) for number in re.findall(r"\d+", text)]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def _marker_environment() -> dict[str, str]:
    """Return what a marker may name (PEP 508); without `platform`, which takes longer to load than all of this."""
    machine, version = os.uname(), sys.version.split()[0]
    return {
        "os_name": os.name,
        "sys_platform": sys.platform,
        "platform_machine": machine.machine,
        "platform_system": machine.sysname,
        "platform_release": machine.release,
        "platform_python_implementation": {"cpython": "CPython", "pypy": "PyPy"}.get(
            sys.implementation.name, sys.implementation.name
        ),
        "implementation_name": sys.implementation.name,
        "implementation_version": version,
        "python_version": ".".join(version.split(".")[:2]),
        "python_full_version": version,
        "extra": "",
    }


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
