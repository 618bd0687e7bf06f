"""The command line of `python -m automation`: arguments, exit codes, tables.

A new command is one module in `commands`. Nothing else in the product imports this package.
Tests: tests/integration/test_cli.py.
"""
