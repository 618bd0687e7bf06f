"""The verbs: each judges a reading against what is remembered, purely.

A new verb is one module here. Unknown changes nothing but its own count. Tests: tests/unit/test_checks_verbs.py.
"""
