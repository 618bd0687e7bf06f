"""What an address is, who controls it, and what an endpoint can do: for setting up, never inside a check.

Called by `python -m monitoring.chains`. Tests: tests/integration/test_chains_inspection.py.
"""
