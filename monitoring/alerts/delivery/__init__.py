"""The outbox: where an alert goes, who takes it, at what pace, and how an attempt ends.

At least once, never "delivered" before the other side said so. Tests: tests/integration/test_delivery.py,
tests/unit/test_alert_routing.py, tests/unit/test_pacing.py, tests/cases/test_a*.py.
"""
