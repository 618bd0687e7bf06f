"""What a check says when something changes. A value has one form here, wherever it is shown.

Tests: tests/unit/test_checks_invariants.py.
"""
