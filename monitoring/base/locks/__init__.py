"""Locks of files: one run a profile, the tree, and the pause in which nothing may run.

Who holds what, and how long somebody waits, belongs here; decision 0010 and LOCKS in docs name the order.
Tests: tests/integration/test_locks*.py.
"""
