"""What happened on a day or in weeks, in numbers, and whether what was recorded of it is still as it was.

Tests: tests/integration/test_day_digest.py, test_evidence_report.py.
"""
