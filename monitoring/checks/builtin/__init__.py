"""The built-in types: sections of a monitor file that are only data, one module or package each, found by its `TYPE`.

A type belongs here when the language of formulas cannot say it. Tests: tests/integration/test_safes.py,
tests/integration/test_timelocks.py, tests/integration/test_host_type.py, tests/integration/test_http_type.py.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from monitoring.checks.engine.plugin import CheckType, Registry, registry


def found_types() -> Registry:
    """Return every type of this package: each module or package in it with a `TYPE`."""
    modules = [import_module(f"{__name__}.{one.name}") for one in iter_modules(__path__)]
    types = [getattr(module, "TYPE", None) for module in modules]
    return registry(*(one for one in types if isinstance(one, CheckType)))


TYPES = found_types()
