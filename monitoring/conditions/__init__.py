"""The one rule engine: what a condition is, and when it fires, gets worse, is repeated and is over. Pure.

Everything that can fire goes through `transition`: verbs, YAML checks, built-in types, `m.alert(key=…)` and
`m.resolve`, sources, the host. It knows no database, no message and no clock: the store keeps its `Condition`, others
find the words. Tests: tests/unit/test_conditions.py, tests/unit/test_checks_invariants.py.
"""
