"""Databases with generated readings, for the benchmark and for tests of queries: written by the product itself.

Of 700 checks a share changes with each run; their values have eighteen decimals, as amounts of tokens do.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path

from monitoring.conditions.condition import Condition, ConditionKey, State
from monitoring.conditions.severity import Severity
from monitoring.store.db.database import Database, Tx
from monitoring.store.db.schema import open_database
from monitoring.store.readings.limits import Bound, ReadingLimits
from monitoring.store.readings.reading import CheckReading, ReadingState, Series
from monitoring.store.readings.writing import record_in
from monitoring.store.tables import conditions

BEGINS_AT = datetime(2026, 1, 1, tzinfo=UTC)
_RUNS_A_TRANSACTION = 24


def key_of(number: int) -> ConditionKey:
    return ConditionKey(f"monitor{number % 60:02}", f"check-{number // 60}", (1, 10, 8453)[number % 3], f"row {number}")


def reading_of(number: int, run: int, *, changes: bool) -> CheckReading:
    """Return what check `number` reads in a run; where nothing changes it is the same in each. One in fifty fires."""
    step = run if changes else 0
    value = Fraction(10**18 + (number * 7919 + step * 104729) % 10**17, 10**18)
    fires = changes and (number + run // 40) % 50 == 0
    series = Series(
        key_of(number), f"protocol{number % 60:02}", list(Severity)[number % 4], "limit", "USDC",
        f"check-{number // 60}: vault.totalAssets() / 1e18", "vault.totalAssets() / 1e18",
        ((1, f"0x{number:040x}", "vault"),),
    )  # fmt: skip
    limits = ReadingLimits((Bound(Fraction(number % 90, 100), Severity.HIGH),), (), f"≥ {number % 90 / 100} USDC")
    state = ReadingState.FIRING if fires else ReadingState.OK
    inputs = (("vault.totalAssets()", int(value * 10**18)), ("vault.totalSupply()", 10**18 + number))
    return CheckReading(series, state, value, None, Severity.HIGH, limits, 24_000_000 + 300 * run, inputs)


def write(
    database: Database, checks: int, runs: range, changing: int, *, every: timedelta = timedelta(hours=1),
    begins_at: datetime = BEGINS_AT,
) -> None:  # fmt: skip
    """Write runs of so many checks, of which the first `changing` change in each."""
    for first in range(runs.start, runs.stop, _RUNS_A_TRANSACTION):
        with database.write() as tx:
            for run in range(first, min(first + _RUNS_A_TRANSACTION, runs.stop)):
                write_run(tx, checks, run, changing, begins_at + every * run)


def write_run(tx: Tx, checks: int, run: int, changing: int, at: datetime) -> None:
    record_in(tx, [reading_of(number, run, changes=number < changing) for number in range(checks)], (), at)


def build(path: Path, checks: int, hours: int, changing: int, begins_at: datetime = BEGINS_AT) -> datetime:
    """Make a database with conditions and so many hourly readings; return when the last one was."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open_database(path) as database:
        last = begins_at + timedelta(hours=hours - 1)
        with database.write() as tx:
            for number in range(checks):
                state = State.FIRING if number % 50 == 0 else State.OK
                fired_at = last if state is State.FIRING else None
                found = Condition(key_of(number), state, fired_at=fired_at, declared=True, judged_at=last)
                conditions.put(tx, found, last)
        write(database, checks, range(hours), changing, begins_at=begins_at)
    return last
