"""jobs.yaml becomes frozen profiles, or every mistake at once, each with its place.

A new key of a profile or task belongs here. Nothing in this package starts a process or opens the database.
Tests: tests/unit/test_config*.py, tests/data/jobs (one file a mistake).
"""
