"""What every run read, over time: written with the conditions it led to, read by pages, the API and backtests.

`dropping` is called in the transaction of a run; `watched`, `history`, `inputs` and `stretches` answer.
Tests: tests/integration/test_readings.py, tests/unit/test_readings_rules.py.
"""
