"""Opens the database: schema, transactions, the fair write lock, clock readings, a file that was lost.

How a connection behaves belongs here, which rows there are does not. Tests: tests/integration/test_store.py.
"""
