"""Tables of what people do about alerts: what they paused, who has which incident, who was asked when nobody acted.

Tests: tests/integration/test_pause.py, test_escalation.py and test_acknowledgements.py next to it.
"""
