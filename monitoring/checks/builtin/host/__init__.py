"""Built-in type `host`: disk, memory, clock, units of the machine itself.

Tests: tests/unit/test_host*.py.
"""

from monitoring.checks.builtin.host.parts import TYPE as TYPE
