"""Pages of alerts: right by comparison with the plain query, and found by index however instants and filters lie."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from benchmarks.worlds import history
from monitoring.base.clock import to_text
from monitoring.base.process_identity import current_boot
from monitoring.base.settings import CHECKOUT, Settings
from monitoring.store.db import schema
from monitoring.store.db.compatibility import VERSION
from monitoring.store.db.database import Database
from monitoring.store.queries import alert_search
from monitoring.store.queries import alerts as alert_queries
from monitoring.store.queries import runs as run_queries
from monitoring.store.queries.alert_search import Wanted
from monitoring.store.queries.alerts import AlertQuery, AlertRow
from monitoring.store.tables import alerts, runs
from monitoring.web import api, pages
from monitoring.web.route import RequestContext, Route
from tests.support import old_database
from tests.support.sqlite_steps import steps_of

ROWS = 10_000
NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
SCENES = ("adopted in order", "adopted out of order", "a clock that stepped back", "two hosts in one, some rows late")
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
    elif request.param == SCENES[3]:
        opened = schema.open_database(history.build(path, ROWS, disorder=True, alerts_a_day=70))
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
        found = [row.id for row in alert_queries.alert_page(database, wanted, 100)]
        assert found == plain(database, wanted, 100), wanted


@pytest.mark.parametrize("analyzed", [False, True], ids=["fresh", "analyzed"])
def test_every_filter_is_answered_by_index_without_a_scan_or_a_sort(database: Database, *, analyzed: bool) -> None:
    if analyzed:
        database.connection.execute("ANALYZE")
    for filters, span, cursor in itertools.product(FILTERS, SPANS, CURSORS):
        wanted = AlertQuery(**filters, **span, **cursor)  # type: ignore[arg-type]
        steps = alert_queries.plan(database, wanted, 101)
        assert not [step for step in steps if "TEMP B-TREE" in step], (wanted, steps)
        assert not [step for step in steps if step.startswith("SCAN")], (wanted, steps)
        assert any("alert_late" in step for step in steps) is bool(span), "the way through the zones is among them"


@pytest.mark.parametrize("span", SPANS, ids=str)
def test_a_search_goes_on_where_it_stopped_and_finds_what_reading_everything_finds(
    database: Database, span: dict[str, datetime]
) -> None:
    wanted = Wanted(text="1 2", delivery="delivered") if span else Wanted(text="X")
    for filters in ({}, {"protocol": "aave"}, {"severity": "HIGH", "source": "protocol"}):
        query, found, reads = AlertQuery(**filters, **span), [], 0  # type: ignore[arg-type]
        while query is not None:
            part = alert_search.search(database, query, wanted, 40, 700)
            found += [row.id for row in part.rows]
            reads += 1
            query = replace(query, before_id=part.reached) if part.reached else None
        assert found == [row.id for row in _read_everything(database, filters, span) if _is(row, wanted)]
        assert reads > 1 or span


def _read_everything(database: Database, filters: dict[str, str], span: dict[str, datetime]) -> list[AlertRow]:
    return alert_queries.alert_page(database, AlertQuery(**filters, **span), 2 * ROWS)  # type: ignore[arg-type]


def _is(row: AlertRow, wanted: Wanted) -> bool:
    said = wanted.text.lower() in f"{row.title}\n{row.message}".lower()
    return said and wanted.delivery in ("", row.delivery_status)


@pytest.mark.parametrize("analyzed", [False, True], ids=["fresh", "analyzed"])
def test_a_search_reads_by_index_without_a_scan_or_a_sort(database: Database, *, analyzed: bool) -> None:
    if analyzed:
        database.connection.execute("ANALYZE")
    for filters, cursor in itertools.product(FILTERS, CURSORS):
        wanted = AlertQuery(**filters, **cursor)  # type: ignore[arg-type]
        steps = alert_search.plan(database, wanted, Wanted("usdc", "failed"))
        assert not [step for step in steps if "TEMP B-TREE" in step], (wanted, steps)
        assert not [step for step in steps if step.startswith("SCAN alert")], (wanted, steps)


@pytest.mark.parametrize("version", range(2, VERSION))
def test_what_an_earlier_release_stored_out_of_order_is_found_by_time(tmp_path: Path, version: int) -> None:
    with schema.create_or_migrate(tmp_path / "monitoring.db", until=version) as old:
        _store_with_a_wandering_clock(old)
    with schema.open_database(tmp_path / "monitoring.db") as migrated:
        for span, filters in itertools.product(SPANS, FILTERS):
            wanted = AlertQuery(**filters, **span)  # type: ignore[arg-type]
            assert [row.id for row in alert_queries.alert_page(migrated, wanted, 100)] == plain(migrated, wanted, 100)


@pytest.fixture(scope="module")
def histories(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[int, Database]]:
    """A short and a long history of the same density, each adopted from two hosts, with rows that came days late."""
    base = tmp_path_factory.mktemp("histories")
    found = {
        rows: schema.open_readonly(
            history.build(base / str(rows) / "monitoring.db", rows, disorder=True, alerts_a_day=400)
        )
        for rows in (2_000, 40_000)
    }
    yield found
    for database in found.values():
        database.close()


def test_the_work_of_a_page_does_not_grow_with_the_history(histories: dict[int, Database]) -> None:
    """Counted in SQLite's own steps, which no other load of the machine can move."""
    short, long = (
        [
            steps_of(database, lambda wanted=wanted: alert_queries.alert_page(database, wanted, 100))  # noqa: B023
            for wanted in _shapes(rows)
        ]
        for rows, database in histories.items()
    )
    for few, many, wanted in zip(short, long, _shapes(40_000), strict=True):
        assert many <= few * 2 + 6_000, wanted


def test_the_work_of_a_search_does_not_grow_with_the_history(histories: dict[int, Database]) -> None:
    for filters in ({}, {"protocol": "aave"}, {"severity": "HIGH"}):
        query = AlertQuery(**filters)
        short, long = (
            steps_of(database, lambda query=query, database=database: _search_in_vain(database, query))
            for database in histories.values()
        )
        assert long <= short * 1.2 + 500


def _search_in_vain(database: Database, query: AlertQuery) -> None:
    found = alert_search.search(database, query, Wanted(text="nobody wrote this"), 50, 100)
    assert not found.rows
    assert found.reached


def _shapes(rows: int) -> list[AlertQuery]:
    """Every filter over parts of the history: a part of the long one is as long as a part of the short one is."""
    begins = datetime.now(UTC) - timedelta(days=rows / 400)
    part = {"since": begins + timedelta(days=1), "until": begins + timedelta(days=2)}
    return [
        AlertQuery(**filters, **span, **cursor)  # type: ignore[arg-type]
        for filters in ({}, {"protocol": "aave"}, {"protocol": "aave", "severity": "HIGH"}, {"protocol": "nobody"})
        for span in ({}, part, {"until": part["until"]}, {"since": datetime.now(UTC) - timedelta(days=1)})
        for cursor in ({}, {"before_id": rows // 2})
    ]


# What is asked of one check is in test_readings_queries.py: no check is in these histories.
_WITHOUT_CHECK = [route for route in (*api.ROUTES, *pages.ROUTES) if "{id:path}" not in route.path]


@pytest.mark.parametrize("route", _WITHOUT_CHECK, ids=lambda route: route.path)
def test_no_route_costs_the_history(histories: dict[int, Database], route: Route) -> None:
    steps = []
    for rows, database in histories.items():
        values = {"name": "hourly", "id": str(rows // 2 if "alerts" in route.path else 300)}
        query = {"monitor": "aave", "check": "utilisation/1"} if route.path in ("/incident", "/check") else {}
        asked = RequestContext(
            database, values, query, datetime.now(UTC), current_boot(), Settings({}, CHECKOUT, Path())
        )
        steps.append(steps_of(database, lambda: route.find(asked)))  # noqa: B023
    short, long = steps
    assert long <= short * 1.5 + 500


def test_bytes_that_are_no_text_and_values_out_of_kind_are_shown_not_raised(tmp_path: Path) -> None:
    with schema.open_database(tmp_path / "monitoring.db") as database:
        with database.write() as tx:
            tx.execute(
                "INSERT INTO alert_events (created_at, source, protocol, severity, message, delivered_at, sort_at, "
                "silent) VALUES ('yesterday', x'ff41', 'aave', NULL, CAST(x'fffe41' AS TEXT), 'soon', '', 'yes')"
            )
        (row,) = alert_queries.alert_page(database, AlertQuery(), 10)
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
            found = run_queries.run_page(database, profile=profile, status=status, before_id=25, limit=5)
            everything = database.rows(
                "SELECT id FROM runs WHERE id < 25 AND (? IS NULL OR profile = ?) AND (? IS NULL OR status = ?) "
                "ORDER BY id DESC LIMIT 5",
                (profile, profile, status, status),
            )
            assert [run.id for run in found] == [row[0] for row in everything]
