"""What a year of readings costs: room on the disk, time of a run's transaction, time of every route that reads them.

.venv/bin/python -m benchmarks.readings [--days 365] [--checks 700] [--changing 700]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks import _readings
from monitoring.base.process_identity import current_boot
from monitoring.base.settings import CHECKOUT, Settings
from monitoring.store.db.database import Database
from monitoring.store.db.schema import open_database, open_readonly
from monitoring.store.maintenance.prune import prune
from monitoring.web.api import checks
from monitoring.web.route import RequestContext

_ASKED = 300


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--checks", type=int, default=700)
    parser.add_argument("--changing", type=int, default=700)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        paths = {days: Path(folder) / str(days) / "monitoring.db" for days in (1, given.days)}
        ends = {days: _readings.build(path, given.checks, days, given.changing) for days, path in paths.items()}
        for days, path in paths.items():
            print(f"{days} days: {path.stat().st_size / 1e6:.1f} MB on disk")
        a_day = (paths[given.days].stat().st_size - paths[1].stat().st_size) / (given.days - 1)
        print(f"{a_day / 1e6:.2f} MB a day, {a_day / given.checks:.0f} bytes a check a day")
        for days, path in paths.items():
            with open_database(path) as database:
                print(f"{days} days: {_runs(database, given, days)}")
            with open_readonly(path) as database:
                for name, found in _routes(database, ends[days]).items():
                    print(f"{days} days: {name}: {found}")
        with open_database(paths[given.days]) as database:
            began = time.perf_counter()
            print(f"{prune(database, ends[given.days])} in {time.perf_counter() - began:.0f} s")


def _runs(database: Database, given: argparse.Namespace, days: int) -> str:
    """Time the part of a run's transaction that readings add, the columns made before it, and its end on the disk."""
    made: list[float] = []
    written: list[float] = []
    ended: list[float] = []
    for run in range(24 * days, 24 * days + 48):
        began = time.perf_counter()
        found = [_readings.reading_of(each, run, changes=each < given.changing) for each in range(given.checks)]
        _ = [one.columns for one in found]
        ready = time.perf_counter()
        with database.write() as tx:
            start = time.perf_counter()
            _readings.record_in(tx, found, (), _readings.BEGINS_AT + timedelta(hours=run))
            done = time.perf_counter()
        made.append(ready - began)
        written.append(done - start)
        ended.append(time.perf_counter() - done)
    return f"a run: made {_times(made)}; written under the lock {_times(written)}; ended {_times(ended)}"


def _routes(database: Database, last: datetime) -> dict[str, str]:
    key = _readings.key_of(7)
    context: dict[str, Any] = {"id": f"{key.monitor}/{key.text}"}
    queries: dict[str, tuple[Callable[[RequestContext], Any], dict[str, Any]]] = {
        "/v1/checks": (checks.checks, {}),
        "/v1/checks?state=firing": (checks.checks, {"state": "firing"}),
        "/v1/checks?text=check-1": (checks.checks, {"text": "check-1"}),
        "/v1/checks/{id}": (checks.one_check, {}),
        "/v1/checks/{id}/readings": (checks.readings, {}),
        "/v1/checks/{id}/readings?step=1h": (checks.readings, {"step": timedelta(hours=1)}),
    }
    found = {}
    for name, (find, query) in queries.items():
        asked = RequestContext(database, context, query, last, current_boot(), Settings({}, CHECKOUT, Path()))
        found[name] = _times([_timed(find, asked) for _ in range(_ASKED)])
    return found


def _timed(find: Callable[[RequestContext], Any], asked: RequestContext) -> float:
    began = time.perf_counter()
    find(asked)
    return time.perf_counter() - began


def _times(found: list[float]) -> str:
    cuts = statistics.quantiles(found, n=100)
    return f"p50 {statistics.median(found) * 1000:.1f} ms, p99 {cuts[98] * 1000:.1f} ms"


if __name__ == "__main__":
    main()
