"""Who is on call and what happens when nobody acts: `automation/on_call.yaml`, the rota, the steps of escalation.

Everything here but reading the file is pure. Without the file nothing of it is used.
Tests: tests/unit/test_on_call.py, tests/unit/test_on_call_mistakes.py, tests/integration/test_escalation.py,
tests/integration/test_escalation_run.py.
"""
