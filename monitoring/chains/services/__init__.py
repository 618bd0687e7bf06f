"""HTTP services around the chains: documents, prices, the Safe Transaction Service.

What they say is data: it lowers nothing and is never its own proof. Tests: tests/integration/test_chains_services.py.
"""
