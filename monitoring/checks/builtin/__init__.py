"""The built-in types: sections of a monitor file that are only data, one module each. `TYPES` is what files may use."""

from __future__ import annotations

from monitoring.checks.builtin import erc4626, host, http, safes, timelocks
from monitoring.checks.types import registry

TYPES = registry(
    erc4626.TYPE,
    host.TYPE,
    http.TYPE,
    safes.TYPE,
    timelocks.TYPE,
)
