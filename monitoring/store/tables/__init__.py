"""One module a table: its rows as frozen dataclasses, and the statements that change them.

A new column or table belongs here with its migration. Every change is compare-and-set or part of a transaction.
Tests: the test named after each module in tests/integration and tests/unit.
"""
