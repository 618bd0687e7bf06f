"""What a check says when something changes. A value has one form here, whoever shows it.

Tests: tests/unit/test_checks_invariants.py.
"""
