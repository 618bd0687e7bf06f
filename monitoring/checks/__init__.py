"""Monitors without code: the eleven verbs, the language, the planner, the `monitor.yaml` format, and their runner.

Read, judge, record. Language, verbs and planner are pure: no network, no database, no clock. `session.py` looks at the
world through them, `recording.py` writes what came of it, and nothing in here sends.
"""
