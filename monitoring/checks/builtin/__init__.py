"""The built-in types: sections of a monitor file that are only data, one module each. `TYPES` is what files may use."""

from __future__ import annotations

from monitoring.checks.builtin import safes, timelocks
from monitoring.checks.types import registry

TYPES = registry(
    safes.TYPE,
    timelocks.TYPE,
)
