"""Reading EVM chains and the services around them, with deadlines, failover and one block a check.

Tests: tests/integration/test_chains*.py against stand-ins, tests/acceptance/test_checks_on_a_chain.py against a node.
"""
