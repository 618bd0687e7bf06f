"""Everything that leaves this host by HTTP goes through here: one deadline, one size limit, one rule for proxies.

A limit or a word about what went wrong belongs here; what an answer means belongs to the caller.
Tests: tests/unit/test_http_client.py, tests/cases/test_a10_*.py, tests/cases/test_a11_*.py.
"""
