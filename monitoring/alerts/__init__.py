"""Alerts: what one says, when it is news, and how it reaches people.

`message` builds it, `recording` stores it, `delivery` sends it through `senders`.
Nothing is sent that was not stored. Tests: tests/unit/test_alert*.py, tests/integration/test_delivery.py.
"""
