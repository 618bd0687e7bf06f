"""Built-in type `safes`: queued transactions, owners, thresholds and modules of Safes.

Tests: tests/integration/test_safes*.py.
"""

from monitoring.checks.builtin.safes.config import TYPE as TYPE
