"""Which ticks were due, what became of each, and whether silence can be trusted.

Every verdict over runs and alerts belongs here, as a pure function that gives its reason.
Tests: tests/unit/test_ticks.py, tests/unit/test_cron*.py, tests/integration/test_reconcile.py.
"""
