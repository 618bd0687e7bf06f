"""What is kept to show later that nothing was changed: days that are over, and which rows and columns they cover.

Tests: tests/integration/test_day_digest.py and test_daily_report.py next to it.
"""
