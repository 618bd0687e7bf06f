"""Monitors declared as data: loaded, read, judged, recorded. `python -m monitoring.checks`.

`config` reads the file, `expression` its formulas, `rules` are the verbs, `engine` runs them, `messages` words them,
`builtin` holds the types that are fed with data. Tests: tests/unit/test_checks*.py, tests/integration/test_checks*.py.
"""
