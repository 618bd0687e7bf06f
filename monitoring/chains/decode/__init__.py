"""What a transaction says: calldata unwrapped, named and checked for what makes it dangerous.

Tests: tests/unit/test_calldata*.py, tests/unit/test_unwrap*.py.
"""
