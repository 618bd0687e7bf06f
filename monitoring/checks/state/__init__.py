"""What checks remember between runs: loaded before judging, saved with the alerts in one transaction.

Tests: tests/integration/test_checks_killed.py, tests/integration/test_checks_crowd.py.
"""
