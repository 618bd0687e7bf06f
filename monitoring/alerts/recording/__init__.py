"""An alert that is news is stored: with its deliveries, its condition and what is remembered, in one transaction.

What is written together belongs here; when something is news is decided by `monitoring.conditions`, purely.
Tests: tests/integration/test_record.py, tests/integration/test_ending.py, tests/integration/test_monitor_scripts.py.
"""
