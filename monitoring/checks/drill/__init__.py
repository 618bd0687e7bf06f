"""The drill of a monitor file: answers of a simulated chain, what each check must fire on and on what not.

`file` reads it, `rehearse` runs it as `python -m monitoring.checks test` does, `scripts` runs the drills of a Python
monitor. Tests: tests/unit/test_drills.py, tests/integration/test_one_drill.py.
"""
