"""What the operators get of the past: one message a day, with a digest of what was recorded.

Tests: tests/integration/test_daily_report.py.
"""
