"""What is asked of readings is found by index, and costs no more in a long history than in a day.

The year itself is in `test_year.py`; here what must be true of any is counted in SQLite's own steps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from benchmarks.worlds import readings as _readings
from monitoring.base.process_identity import current_boot
from monitoring.base.settings import CHECKOUT, Settings
from monitoring.conditions.severity import Severity
from monitoring.store.db.database import Database
from monitoring.store.db.schema import open_database, open_readonly
from monitoring.store.maintenance.prune import prune
from monitoring.store.readings.history import history
from monitoring.store.readings.inputs import inputs
from monitoring.store.readings.limits import Bound, ReadingLimits
from monitoring.store.readings.watched import WatchedQuery, count, keys_of_path, one, protocols, watched
from monitoring.store.readings.writing import record_in
from monitoring.web.api import checks
from monitoring.web.route import RequestContext
from tests.support.sqlite_steps import steps_of

pytestmark = pytest.mark.ci  # histories are written
CHECKS, DAYS = 10, 20
# The schema itself, and rows that are counted up.
_NO_TABLE = ("SCAN sqlite_master", "SCAN each", "SCAN CONSTANT ROW")
KEY = _readings.key_of(7)


@pytest.fixture(scope="module")
def histories(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[int, tuple[Database, datetime]]]:
    """A day and twenty of the same checks; all of them change with each run."""
    base = tmp_path_factory.mktemp("readings")
    found = {}
    for days in (1, DAYS):
        path = base / str(days) / "monitoring.db"
        last = _readings.build(path, CHECKS, 24 * days, CHECKS)
        found[days] = open_readonly(path), last
    yield found
    for database, _ in found.values():
        database.close()


QUESTIONS: dict[str, Callable[[Database, datetime], Any]] = {
    "a page of checks": lambda database, _: watched(database),
    "a later page of a protocol": lambda database, _: watched(database, WatchedQuery(protocol="protocol07"), after=3),
    "what fires": lambda database, _: watched(database, WatchedQuery(state="firing")),
    "by chain, severity and text": lambda database, _: watched(
        database, WatchedQuery(chain=10, severity=Severity.MEDIUM, text="check")
    ),
    "a page with small lines": lambda database, last: watched(database, points=24, now=last),
    "how many": lambda database, _: count(database),
    "protocols": lambda database, _: protocols(database),
    "one": lambda database, _: one(database, KEY),
    "by path": lambda database, _: keys_of_path(database, f"{KEY.monitor}/{KEY.text}"),
    "its inputs": lambda database, _: inputs(database, KEY),
    "its last day": lambda database, last: history(database, KEY, last - timedelta(days=1), last),
    "its last day by hours": lambda database, last: history(
        database, KEY, last - timedelta(days=1), last, step=timedelta(hours=1)
    ),
}


@pytest.mark.parametrize("asked", QUESTIONS)
def test_no_question_scans_the_history(histories: dict[int, tuple[Database, datetime]], asked: str) -> None:
    database, last = histories[DAYS]
    plans: list[str] = []

    def explain(_: Any, sql: str, bindings: Any) -> bool:
        statements.append((sql, bindings))
        return True

    statements: list[tuple[str, Any]] = []
    database.connection.exec_trace = explain
    try:
        assert QUESTIONS[asked](database, last)
    finally:
        database.connection.exec_trace = None
    for sql, bindings in statements:
        if sql.lstrip().upper().startswith(("SELECT", "WITH")):
            plans += [row[3] for row in database.connection.execute(f"EXPLAIN QUERY PLAN {sql}", bindings)]
    assert plans
    # Along the checks there is one walk, by the index of their keys; along their readings none.
    walks = {step for step in plans if step.startswith("SCAN")}
    along = "SCAN s" if asked == "how many" else "SCAN s USING INDEX sqlite_autoindex_reading_series_1"
    assert walks <= {along, *_NO_TABLE}
    if asked != "how many":
        assert not [step for step in plans if "TEMP B-TREE" in step]


@pytest.mark.parametrize("asked", QUESTIONS)
def test_no_question_costs_more_in_a_long_history(histories: dict[int, tuple[Database, datetime]], asked: str) -> None:
    short, long = (
        steps_of(database, lambda: QUESTIONS[asked](database, last))  # noqa: B023
        for database, last in (histories[1], histories[DAYS])
    )
    assert long <= short * 1.5 + 500


@pytest.mark.parametrize("route", checks.ROUTES, ids=lambda route: route.path)
def test_no_route_of_checks_costs_the_history(histories: dict[int, tuple[Database, datetime]], route: Any) -> None:
    steps = []
    for database, last in histories.values():
        values = {"id": f"{KEY.monitor}/{KEY.text}"}
        asked = RequestContext(database, values, {}, last, current_boot(), Settings({}, CHECKOUT, Path()))
        steps.append(steps_of(database, lambda: route.find(asked)))  # noqa: B023
    assert steps[1] <= steps[0] * 1.5 + 500


# -- size and forgetting ----------------------------------------------------------------------------------------------


def test_checks_that_change_each_hour_stay_within_their_two_megabytes_a_day(tmp_path: Path) -> None:
    """Of 700 checks; 100 of them are measured."""
    with open_database(tmp_path / "monitoring.db") as database:
        _readings.write(database, 100, range(24), 100)
        moving = _pages(database, lambda: _readings.write(database, 100, range(24, 48), 100))
    assert moving * 4096 * 7 <= 2_000_000


def test_a_still_day_adds_no_page(tmp_path: Path) -> None:
    with open_database(tmp_path / "monitoring.db") as database:
        _readings.write(database, 30, range(24), 0)
        assert _pages(database, lambda: _readings.write(database, 30, range(24, 24 * 4), 0)) == 0


def _pages(database: Database, write: Callable[[], None]) -> int:
    before = int(database.rows("PRAGMA page_count")[0][0])
    write()
    return int(database.rows("PRAGMA page_count")[0][0]) - before


def test_prune_forgets_readings_that_ended_and_checks_that_nobody_reads(tmp_path: Path) -> None:
    path = tmp_path / "monitoring.db"
    last = _readings.build(path, 5, 24 * 8, 5)
    with open_database(path) as database:
        # The last check is read by nobody from that day on; a still one goes on being prolonged.
        gone = _readings.key_of(4)
        long_ago = int((last - timedelta(days=6)).timestamp())
        with database.write() as tx:
            series = "SELECT id FROM reading_series WHERE subject = ?"
            tx.execute(f"UPDATE open_readings SET last_at = ? WHERE series = ({series})", (long_ago, gone.subject))
        done = prune(database, last, readings_for=timedelta(days=3))
        assert done.rows["reading"] > 0
        begins = min(span.first_at for span in history(database, KEY_OF_PRUNED, _readings.BEGINS_AT, last))
        assert timedelta(days=2) <= last - begins <= timedelta(days=4)
        assert one(database, gone) is None
        assert len(watched(database)) == 4
        assert prune(database, last, readings_for=timedelta(days=3)).rows["reading"] == 0


KEY_OF_PRUNED = _readings.key_of(0)


def test_prune_forgets_limits_that_no_reading_refers_to(tmp_path: Path) -> None:
    """A script may compute its limit in each run: that is a row each time."""
    with open_database(tmp_path / "monitoring.db") as database:

        def run(hour: int, bound: int) -> None:
            reading = _readings.reading_of(0, 0, changes=False)
            limits = ReadingLimits((Bound(bound, Severity.HIGH),), (), f"≥ {bound}")
            with database.write() as tx:
                record_in(tx, [replace(reading, limits=limits)], (), _readings.BEGINS_AT + timedelta(hours=hour))

        for hour in range(24 * 6):
            run(hour, hour)
        now = _readings.BEGINS_AT + timedelta(days=6)
        prune(database, now, readings_for=timedelta(days=2))
        spans = history(database, KEY_OF_PRUNED, _readings.BEGINS_AT, now)
        assert database.rows("SELECT count(*) FROM reading_limits") == [(len(spans),)]
        assert [span.lower for span in spans] == list(range(24 * 6 - len(spans), 24 * 6))
        run(24 * 6, 3)  # as long ago, when its row was forgotten
        run(24 * 6 + 1, 24 * 6 - 1)  # as in a reading that is kept
        again = history(database, KEY_OF_PRUNED, now, now + timedelta(hours=1))
        assert [span.lower for span in again] == [3, 24 * 6 - 1]
