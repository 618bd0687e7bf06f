"""What people ask: pages, listings, audits. Read-only, and each costs its page and never the history.

A new question belongs here with its index. Tests: tests/integration/test_web_queries.py.
"""
