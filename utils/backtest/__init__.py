"""Python monitors at past blocks, for `monitoring backtest`. Tests: tests/integration/test_backtest_scripts.py."""
