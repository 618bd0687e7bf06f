"""The read-only API and the dashboard, on 127.0.0.1:8923.

Pages and routes belong here; what they say comes from `store.queries` and `ledger`. It holds no sender and no token.
Tests: tests/integration/test_web_*.py, tests/contract/test_web_openapi.py, tests/browser/*.py.
"""
