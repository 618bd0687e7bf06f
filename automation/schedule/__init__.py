"""The embedded scheduler, late ticks, and which schedule is in force.

When a profile starts belongs here; what a run does does not. Nothing in this package imports a monitor.
Tests: tests/integration/test_scheduler*.py, tests/acceptance/test_up.py, tests/acceptance/test_catch_up.py.
"""
