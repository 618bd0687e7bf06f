"""JSON-RPC: providers in order, failover, batches, multicalls, logs in ranges, the pinned block.

What a provider can do wrong is classified in `errors`.
Tests: tests/integration/test_chains_providers.py, tests/integration/test_chains_logs.py, tests/cases/test_c*.py.
"""
