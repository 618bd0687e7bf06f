"""Two sentences that follow an alert about a transaction: chosen by a model, written by us. Off without its settings.

A model sees facts with ids and answers with ids: of facts, of our sentence patterns, of our words. Its text never
reaches anybody. `python -m monitoring.explain` is a child of a run; nothing else imports this package.
docs/ai.md says what leaves the host. Tests: tests/unit/test_explain_*.py, tests/integration/test_explain_*.py.
"""
