"""The closed language of formulas: parsed, type-checked, evaluated. Pure.

Unknown is a value and propagates. Tests: tests/unit/test_expression*.py, tests/unit/test_language*.py.
"""
