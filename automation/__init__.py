"""WHEN and HOW monitoring scripts run: `python -m automation`.

Only what starts and watches processes belongs here; what a check or an alert is belongs to `monitoring`.
`import_check` stays at this path: releases in the field start it. Tests: tests/acceptance/*.py.
"""
