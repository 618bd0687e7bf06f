"""Copies of the database, putting one back, forgetting old rows, and saving what a damaged file still holds.

Nothing here runs while an alert waits for it.
Tests: tests/integration/test_backup.py, tests/integration/test_restore.py,
tests/integration/test_prune.py.
"""
