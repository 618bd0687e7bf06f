"""What calls that nobody has made would do: run by the provider, traced, or only called, and what is read afterwards.

Nothing is sent. What was not looked at is never called unchanged. Tests: tests/integration/test_safe_simulation.py,
tests/integration/test_simulation_fallbacks.py.
"""
