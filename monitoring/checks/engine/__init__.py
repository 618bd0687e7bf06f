"""One evaluation of monitors: sources, passes, one block a chain, every part judged, no exception escapes a part.

Tests: tests/integration/test_checks_run.py, tests/acceptance/test_checks_on_a_chain.py.
"""
