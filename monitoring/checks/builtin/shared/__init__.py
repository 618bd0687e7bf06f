"""What several built-in types need: rows of data, logs of contracts, one part a chain.

Tests: tests/unit/test_queues_data.py, tests/integration/test_queues_run.py.
"""
