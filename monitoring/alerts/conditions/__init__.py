"""When an alert is news: fired, worse, reminded, recovered; stored with its deliveries in one transaction.

Rules are pure and give their reason. Tests: tests/unit/test_conditions.py, tests/integration/test_record.py.
"""
