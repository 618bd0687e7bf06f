"""Files that keep what the database cannot take: a full disk loses no alert.

Only what must survive without the database belongs here. Tests: tests/cases/test_a06_alerts_that_cannot_be_stored.py.
"""
