"""What an alert says: structure, never markup; its text, its coding in the database, its pieces.

How a value or block looks belongs here. Nothing in this package knows a destination.
Tests: tests/unit/test_alert_*.py, tests/unit/test_digest.py.
"""
