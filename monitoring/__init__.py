"""The library: reading chains, judging, storing, sending, showing. It knows nothing of jobs.yaml.

Imports point one way: `checks` and `web` on `ledger`, `alerts` and `chains`, these on `store`, all on `base`.
Tests: tests/unit/*.py, tests/integration/*.py.
"""
