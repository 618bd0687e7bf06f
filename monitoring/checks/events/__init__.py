"""Events that authors ask for by their declaration: which event a text means, its logs decoded, one condition of them.

Tests: tests/unit/test_event_declarations.py, tests/integration/test_logs_of_authors.py.
"""
