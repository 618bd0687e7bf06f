"""The closed language of formulas: parsed, type-checked, evaluated. Pure.

Unknown is a value and propagates. Tests: tests/unit/test_checks_language.py, tests/unit/test_checks_fuzz.py.
"""
