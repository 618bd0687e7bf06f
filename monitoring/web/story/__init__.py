"""What the pages *Incident* and *Check* say of one condition: its episodes, what happened in them, its value over time.

Facts come from the store; here they become sentences and marks, purely where that is possible.
Tests: `tests/unit/test_story.py`, `tests/integration/test_web_incident.py`, `tests/browser/test_incident_page.py`.
"""
