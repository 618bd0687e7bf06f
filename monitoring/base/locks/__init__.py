"""Locks of files: one run a profile, the tree, and the pause in which nothing may run.

Who holds what, and how long somebody waits, belongs here; a new lock says here in which order it is taken.
Tests: tests/integration/test_lock.py.
"""
