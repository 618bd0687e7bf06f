"""Built-in type `http`: endpoints that must answer, in time, with what is expected.

Tests: tests/integration/test_http*.py.
"""
