"""Pages of alerts: right by comparison with the plain query, and found by index however instants and filters lie."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from monitoring.clock import to_text
from monitoring.store import alerts, queries, queries_ledger, runs, schema
from monitoring.store.database import Database
from monitoring.store.queries import AlertQuery
from tests.support import old_database

ROWS = 10_000
NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
SCENES = ("adopted in order", "adopted out of order", "a clock that stepped back")
FILTERS = [
    dict(zip(("protocol", "severity", "source"), chosen, strict=True))
    for chosen in itertools.product((None, "aave"), (None, "HIGH"), (None, "protocol"))
]
OLD_DAY = datetime(2026, 7, 3, tzinfo=UTC)
SPANS = [
    {},
    {"since": OLD_DAY},
    {"until": OLD_DAY},
    {"since": OLD_DAY, "until": OLD_DAY + timedelta(days=1)},
    {"since": datetime(1, 1, 1, tzinfo=UTC), "until": datetime(9999, 12, 31, 23, 59, tzinfo=UTC)},
    {"since": OLD_DAY, "until": OLD_DAY},
]
CURSORS = [{}, {"before_id": ROWS // 2}, {"before_id": 30}, {"before_id": 0}]


@pytest.fixture(scope="module", params=SCENES)
def database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    path = tmp_path_factory.mktemp("pages") / "monitoring.db"
    if request.param == SCENES[2]:
        opened = schema.open_database(path)
        _store_with_a_wandering_clock(opened)
    else:
        old_database.build(path, rows=ROWS, shuffled=request.param == SCENES[1])
        opened = schema.open_database(path)
    yield opened
    opened.close()


def _store_with_a_wandering_clock(database: Database) -> None:
    """An hour back and forth, seconds of jitter, and once a day in the future."""
    chance = random.Random(3)
    at = datetime(2026, 7, 1, tzinfo=UTC)
    with database.write() as tx:
        for number in range(ROWS):
            at += timedelta(seconds=chance.uniform(0, 600))
            step = timedelta(hours=-1) if 4000 < number < 4200 else timedelta(days=1) if number == 6000 else timedelta()
            jitter = timedelta(seconds=chance.uniform(-5, 0))
            row = alerts.NewAlert(
                chance.choice(("aave", "lido")), chance.choice(("LOW", "HIGH")), "x",
                source=chance.choice(("protocol", "crash")),
            )  # fmt: skip
            alerts.insert(tx, row, [], at + step + jitter, status="delivered")


def plain(database: Database, wanted: AlertQuery, limit: int) -> list[int]:
    """The same question put without any cleverness."""
    conditions = {
        "protocol = ?": wanted.protocol,
        "severity = ?": wanted.severity,
        "source = ?": wanted.source,
        "created_at >= ?": to_text(wanted.since) if wanted.since else None,
        "created_at < ?": to_text(wanted.until) if wanted.until else None,
        "id < ?": wanted.before_id,
    }
    given = {sql: value for sql, value in conditions.items() if value is not None}
    where = f"WHERE {' AND '.join(given)}" if given else ""
    sql = f"SELECT id FROM alert_events {where} ORDER BY id DESC LIMIT ?"
    return [row[0] for row in database.rows(sql, [*given.values(), limit])]


@pytest.mark.parametrize("span", SPANS, ids=str)
def test_every_filter_gives_what_the_plain_query_gives(database: Database, span: dict[str, datetime]) -> None:
    for filters, cursor in itertools.product(FILTERS, CURSORS):
        wanted = AlertQuery(**filters, **span, **cursor)  # type: ignore[arg-type]
        found = [row.id for row in queries.alert_page(database, wanted, 100)]
        assert found == plain(database, wanted, 100), wanted


@pytest.mark.parametrize("analyzed", [False, True], ids=["fresh", "analyzed"])
def test_every_filter_is_answered_by_index_without_a_scan_or_a_sort(database: Database, *, analyzed: bool) -> None:
    if analyzed:
        database.connection.execute("ANALYZE")
    for filters, span, cursor in itertools.product(FILTERS, SPANS, CURSORS):
        wanted = AlertQuery(**filters, **span, **cursor)  # type: ignore[arg-type]
        steps = queries.plan(database, wanted, 101)
        assert not [step for step in steps if "TEMP B-TREE" in step], (wanted, steps)
        bounded = any(filters.values()) or span or cursor
        scans = [step for step in steps if step.startswith("SCAN") and "USING" not in step]
        # Without any condition the newest rows are read off the end of the table: a walk that ends with the page.
        assert not scans or not bounded, (wanted, steps)


def test_the_work_of_a_page_does_not_grow_with_the_history(tmp_path: Path) -> None:
    """Counted in SQLite's own steps, which no other load of the machine can move."""
    steps = {}
    for rows in (1_000, 20_000):
        path = tmp_path / f"{rows}.db"
        with schema.open_database(path) as database:
            with database.write() as tx:
                for number in range(rows):
                    row = alerts.NewAlert(("aave", "lido")[number % 2], ("LOW", "HIGH")[number % 3 == 0], "x")
                    alerts.insert(tx, row, [], NOW + timedelta(minutes=number), status="delivered")
            steps[rows] = [_steps(database, wanted) for wanted in _shapes(rows)]
    for small, large in zip(steps[1_000], steps[20_000], strict=True):
        assert large <= small * 2 + 300, steps


def _shapes(rows: int) -> list[AlertQuery]:
    day = {"since": NOW + timedelta(minutes=300), "until": NOW + timedelta(minutes=600)}
    return [
        AlertQuery(**filters, **span, **cursor)  # type: ignore[arg-type]
        for filters in ({}, {"protocol": "aave"}, {"protocol": "aave", "severity": "HIGH"}, {"protocol": "nobody"})
        for span in ({}, day, {"until": day["until"]})
        for cursor in ({}, {"before_id": rows // 2})
    ]


def _steps(database: Database, wanted: AlertQuery) -> int:
    count = 0

    def tick() -> bool:
        nonlocal count
        count += 1
        return False

    database.connection.set_progress_handler(tick, 1)
    queries.alert_page(database, wanted, 100)
    database.connection.set_progress_handler(None)
    return count


def test_bytes_that_are_no_text_and_values_out_of_kind_are_shown_not_raised(tmp_path: Path) -> None:
    with schema.open_database(tmp_path / "monitoring.db") as database:
        with database.write() as tx:
            tx.execute(
                "INSERT INTO alert_events (created_at, source, protocol, severity, message, delivered_at, sort_at, "
                "silent) VALUES ('yesterday', x'ff41', 'aave', NULL, CAST(x'fffe41' AS TEXT), 'soon', '', 'yes')"
            )
        (row,) = queries.alert_page(database, AlertQuery(), 10)
    assert (row.created_at, row.source, row.message, row.severity) == ("yesterday", "\ufffdA", "\ufffd\ufffdA", None)


def test_a_reader_sees_a_commit_of_another_connection_by_the_version_alone(tmp_path: Path) -> None:
    path = tmp_path / "monitoring.db"
    with schema.open_database(path) as writer, schema.open_readonly(path) as reader:
        before = reader.data_version()
        assert reader.data_version() == before
        with writer.write() as tx:
            alerts.insert(tx, alerts.NewAlert("aave", "LOW", "x"), [], NOW)
        assert reader.data_version() != before


def test_pages_of_runs_are_found_by_index_whatever_is_asked(tmp_path: Path) -> None:
    with schema.open_database(tmp_path / "monitoring.db") as database:
        with database.write() as tx:
            for number in range(30):
                at = NOW + timedelta(minutes=number)
                profile = ("hourly", "daily")[number % 2]
                run_id = runs.begin(
                    tx, profile, tick_at=at, trigger="cron", now=at, process="p", revision="r", tasks_total=1
                )
                runs.finish(tx, run_id, ("ok", "failed")[number % 3 == 0], exit_code=0, reason="", now=at)
        for profile, status in itertools.product((None, "hourly"), (None, "failed")):
            found = queries_ledger.run_page(database, profile=profile, status=status, before_id=25, limit=5)
            everything = database.rows(
                "SELECT id FROM runs WHERE id < 25 AND (? IS NULL OR profile = ?) AND (? IS NULL OR status = ?) "
                "ORDER BY id DESC LIMIT 5",
                (profile, profile, status, status),
            )
            assert [run.id for run in found] == [row[0] for row in everything]
