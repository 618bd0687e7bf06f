"""What an operator sees of a host: one screen, and in `doctor` every known fault with its remedy.

New lines of the screen and new checks of a host belong here. Nothing in this package changes anything.
Tests: tests/acceptance/test_status.py, tests/acceptance/test_doctor.py.
"""
