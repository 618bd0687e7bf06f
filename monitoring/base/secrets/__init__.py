"""Which values are secret, and how they are taken out of every text before it is cut.

A new kind of secret belongs here unless a sender declares it: `declared` reads those. Nothing here writes anything.
Tests: tests/unit/test_redact.py, tests/cases/test_e01_no_piece_of_a_secret_survives.py.
"""
