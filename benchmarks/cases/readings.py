"""What every run reads, kept for a day to a year: the page of all checks, and the chart of one."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.cases import CASES
from benchmarks.measuring import Curve, Goal, Result, Role, Size, Way, cost, in_turns, ratios
from monitoring.conditions.condition import Condition, ConditionKey
from monitoring.conditions.severity import Severity
from monitoring.store.db.database import Database
from monitoring.store.db.schema import open_database
from monitoring.store.readings.history import history
from monitoring.store.readings.limits import Bound, ReadingLimits
from monitoring.store.readings.reading import CheckReading, ReadingState, Series
from monitoring.store.readings.watched import watched
from monitoring.store.readings.writing import record_in
from monitoring.store.tables import conditions

CHECKS = [ConditionKey("bench", f"check {number}", 1) for number in range(5)]
WHY = "every change of the time asked for is read and put together into so many points as a chart has."


def measure(size: Size) -> Result:
    case, result = CASES["readings"], Result(CASES["readings"].title, CASES["readings"].about)
    page, week, whole = list[tuple[float, float]](), list[tuple[float, float]](), list[tuple[float, float]]()
    pages = list[Way]()
    now = datetime.now(UTC).replace(microsecond=0)
    for days in size.pick((1, 30, 365), (1, 30), (1,)):
        with tempfile.TemporaryDirectory() as directory, open_database(Path(directory) / "monitoring.db") as database:
            _fill(database, now, days)
            rows, acts = days * 24 * len(CHECKS), _acts(database, now, days)
            ways = {name: Way(f"{name}, {rows:,} readings", Role.OURS) for name in acts}
            in_turns([(ways[name], act) for name, act in acts.items()], size.pick(15, 5, 1), case.seconds(size) / 3)
            result.ways += ways.values()
            pages.append(ways["the page of all checks"])
            for points, way in zip((page, week, whole), ways.values(), strict=True):
                points.append((rows, way.median("CPU ms")))
    result.curves = [
        Curve("Readings", "readings kept", "CPU ms",
              {"the page of all checks": page, "a week of one check": week, "all of one check": whole}, WHY),
    ]  # fmt: skip
    grown = ratios(pages[-1], pages[0], "CPU ms")
    result.goals = [Goal("the page of all checks with the most readings, of the one with the fewest", grown, 1.5)]
    return result


def _acts(database: Database, now: datetime, days: int) -> Mapping[str, Callable[[], Mapping[str, float]]]:
    def chart(span: timedelta) -> Callable[[], Mapping[str, float]]:
        return lambda: cost(lambda: history(database, CHECKS[0], now - span, now, 300))

    return {
        "the page of all checks": lambda: cost(lambda: watched(database, points=24, now=now)),
        "a week of one check": chart(timedelta(days=7)),
        "all of one check": chart(timedelta(days=days)),
    }


def _fill(database: Database, now: datetime, days: int) -> None:
    """Keep a reading an hour of each check, each with another value."""
    limits, hours = ReadingLimits((), (Bound(5, Severity.HIGH),), "≤ 5"), days * 24
    series = [Series(key, "bench", Severity.HIGH, "limit") for key in CHECKS]
    with database.write() as tx:
        for key in CHECKS:
            conditions.put(tx, Condition(key), now)
        for hour in range(hours):
            at = now - timedelta(hours=hours - hour)
            found = [CheckReading(each, ReadingState.OK, hour % 97, limits=limits) for each in series]
            record_in(tx, found, [], at)
