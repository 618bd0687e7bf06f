"""Whole answers of services, kept next to a monitor: a drill reads them as a run reads the live service.

`recording` is their file, `replay` the transport that answers with them (`sim_chain` answers for a chain), `record`
writes them from the live service, `shape` is what of an answer may be stored: names and types.
Tests: tests/unit/test_recorded.py, tests/integration/test_record_answers.py.
"""
