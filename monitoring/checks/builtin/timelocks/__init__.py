"""Built-in type `timelocks`: what is scheduled, executed and cancelled.

Tests: tests/integration/test_timelocks*.py.
"""

from monitoring.checks.builtin.timelocks.config import TYPE as TYPE
