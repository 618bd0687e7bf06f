"""Built-in type `http`: endpoints that must answer, in time, with what is expected.

Tests: tests/integration/test_http*.py.
"""

from monitoring.checks.builtin.http.parts import TYPE as TYPE
