"""Tables of what people do about alerts: what they paused, and who was asked when nobody acted.

Tests: tests/integration/test_pause.py, tests/integration/test_escalation.py.
"""
