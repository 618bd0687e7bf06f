"""What the owners of a Safe sign: the hash of a transaction, computed here, and whose a signature is.

Nothing here believes a service: the inputs are a Safe's own state on its chain and the fields of a transaction.
Tests: tests/unit/test_safe_hashes.py, tests/integration/test_safe_signatures.py.
"""
