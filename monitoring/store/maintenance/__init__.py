"""Copies of the database, putting one back, forgetting old rows, and saving what a damaged file still holds.

Nothing here runs while an alert waits for it.
Tests: tests/integration/test_backup.py, test_restore.py, test_repair*.py.
"""
