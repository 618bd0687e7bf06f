"""Monitors without code: the eleven verbs, the expression language, the planner, the `monitor.yaml` format.

Pure decisions throughout: no network, no database, no clock. Whoever runs monitors brings a `Reader` and a store.
"""
