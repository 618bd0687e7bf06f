"""What every other package stands on: clock, settings, log, errors, process identity, the env file.

Only what several packages need and what knows none of them belongs here.
Tests: the unit test named after each module in tests/unit.
"""
