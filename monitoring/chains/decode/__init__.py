"""What a transaction says: calldata unwrapped, named and checked for what makes it dangerous.

Tests: tests/unit/test_chains_calldata.py, tests/integration/test_chains_decoder_against_web3.py.
"""
