"""One run of one profile: lock, sync, row, tasks and delivery, digest, drain, heartbeat.

What happens in a run, in which order, and what it reports belongs here; how a task becomes a process does not.
Tests: tests/acceptance/test_run.py, tests/integration/test_heartbeat.py.
"""
