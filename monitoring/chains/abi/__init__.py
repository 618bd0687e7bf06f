"""The ABI as text: signatures, types, selectors, addresses. Pure.

Tests: tests/unit/test_chains_abi.py.
"""
