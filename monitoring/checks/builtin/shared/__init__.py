"""What several built-in types need: rows of data, logs of contracts, one part a chain.

Tests: those of the types.
"""
