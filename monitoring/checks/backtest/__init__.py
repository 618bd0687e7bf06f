"""`backtest`: monitor files evaluated at past blocks, by the engine that runs them: which alerts would have gone out.

Nothing here writes the live store or sends. Tests: tests/integration/test_backtest.py.
"""
