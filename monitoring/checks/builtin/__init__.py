"""The built-in types: sections of a monitor file that are only data, one module each. `TYPES` is what files may use.

A type belongs here when the language of formulas cannot say it. Tests: tests/integration/test_safes.py,
tests/integration/test_timelocks.py, tests/integration/test_host_type.py, tests/integration/test_http_type.py.
"""

from __future__ import annotations

from monitoring.checks.builtin import erc4626
from monitoring.checks.builtin.host.parts import TYPE as HOST
from monitoring.checks.builtin.http.parts import TYPE as HTTP
from monitoring.checks.builtin.safes.config import TYPE as SAFES
from monitoring.checks.builtin.timelocks.config import TYPE as TIMELOCKS
from monitoring.checks.engine.plugin import registry

TYPES = registry(erc4626.TYPE, HOST, HTTP, SAFES, TIMELOCKS)
