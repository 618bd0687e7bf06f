"""Every page and route of a host after many days costs what it cost after one, and reads no table that grows whole.

The application says which routes there are, so that no new one is forgotten. Counted are statements, steps and pages of
SQLite, which no other load of the machine can move. `make bench` measures the same questions by the clock.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from benchmarks.worlds import readings, year
from benchmarks.worlds.year import QUESTIONS, Service, YearWorld
from monitoring.base.settings import CHECKOUT, Settings
from monitoring.store.db.schema import open_readonly
from monitoring.store.queries.alert_search import MOST_READ
from monitoring.web import api, pages, static_files
from monitoring.web.app import build_app
from monitoring.web.host_check import HostPolicy
from tests.support.statements import Statements, statements_on

# A year is a long sweep; a month of fewer checks (more than a page of them) shows the same of everything that grows.
SIZES = [
    pytest.param((150, 30), marks=pytest.mark.ci, id="a month of 150 checks"),
    pytest.param((year.CHECKS, 365), marks=pytest.mark.proof, id="a year of 700 checks"),
]
# What does not grow with time: a row for each check, profile, chat, kind of limit, or edit of a schedule.
SAME_SIZE = {
    "chain_memory", "chat_migrations", "conditions", "digests", "lanes", "monitor_state", "open_readings",
    "reading_limits", "reading_series", "schedules", "sqlite_sequence",
}  # fmt: skip
# One row for 512 alerts: what is asked of a time looks at all of them.
OF_ZONES = {"alert_late", "alert_zones"}


@dataclass
class Host:
    """One of the hosts, what is asked of it by route, and what was counted meanwhile."""

    world: YearWorld
    service: Service
    statements: Statements
    asked: dict[str, list[str]]


@pytest.fixture(scope="module", params=SIZES)
def hosts(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Host, Host]]:
    checks, days = request.param
    with ExitStack() as stack:
        found = []
        for world in year.build(tmp_path_factory.mktemp("year"), (1, days), checks):
            asked = year.asked(world)
            statements = stack.enter_context(statements_on(world.database))
            found.append(Host(world, stack.enter_context(Service(world)), statements, asked))
        yield found[0], found[1]


def routes_of_the_application() -> set[str]:
    application = build_app(Settings({}, CHECKOUT, Path("/nowhere")), HostPolicy(None))
    routes = application._app.routes  # type: ignore[attr-defined]
    return {route.path for route in routes} - set(static_files.responses())


def test_every_route_of_the_application_is_asked_with_every_parameter_it_takes() -> None:
    assert set(QUESTIONS) == routes_of_the_application()
    for route in (*api.ROUTES, *pages.ROUTES):
        asked = " ".join(QUESTIONS[route.path])
        assert [name for name in route.parameters if f"{name}=" not in asked] == [], route.path


def test_every_table_that_grows_has_grown(hosts: tuple[Host, Host]) -> None:
    short, long = (_rows(host.world) for host in hosts)
    assert set(short) == set(long)
    assert {name for name in long if long[name] < 5 * short[name] or not long[name]} - OF_ZONES == SAME_SIZE


def _rows(world: YearWorld) -> dict[str, int]:
    with open_readonly(world.database) as database:
        tables = [row[0] for row in database.rows("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {name: database.rows(f"SELECT count(*) FROM {name}")[0][0] for name in tables}


def test_no_page_or_route_costs_more_after_many_days(hosts: tuple[Host, Host]) -> None:
    for route in QUESTIONS:
        for number, address in enumerate(hosts[1].asked[route]):
            (few, pages_of_few), (many, pages_of_many) = (_cost(host, host.asked[route][number]) for host in hosts)
            # A search for a text reads so many alerts at most, and on the first day there are fewer.
            read = MOST_READ / year.ALERTS_A_DAY if route == "/alerts" and "q=" in address else 1
            assert many <= few * 1.5 * read + 1000, (address, few, many)
            # The trees of a year are up to two levels deeper, and its rarest profile has a strip full of runs.
            assert pages_of_many <= pages_of_few * 2 * read + 300, (address, pages_of_few, pages_of_many)


def _cost(host: Host, address: str) -> tuple[int, int]:
    """Return how many steps SQLite took, and how many pages it looked into."""
    host.statements.forget()
    status, body = host.service.ask(address)
    assert status == 200, (address, body)
    return host.statements.steps, host.statements.pages


def test_no_page_or_route_reads_a_table_whole_that_grows(hosts: tuple[Host, Host]) -> None:
    host = hosts[1]
    host.statements.forget()
    with Service(host.world) as fresh:  # which has kept no answer
        for addresses in host.asked.values():
            for address in addresses:
                fresh.ask(address)
    plans = host.statements.plans()
    assert len(plans) > 50
    grown = set(_rows(host.world)) - SAME_SIZE - OF_ZONES
    assert [(sql, step) for sql, steps in plans.items() for step in steps if _walks_along(step, sql) & grown] == []


def _walks_along(step: str, sql: str) -> set[str]:
    """Return the tables that a step of a plan reads from one end on, but for the newest rows, a number of them."""
    name = re.match(r"SCAN (\w+)", step)
    if name is None or re.search(r"ORDER BY id DESC LIMIT (\?|\d+)$", sql.strip()):
        return set()
    tables = re.findall(rf"(?:FROM|JOIN|,)\s+(\w+)(?:\s+AS)?\s+{name[1]}\b", sql)
    return {name[1], *tables}


# -- the days that are written once more are those that the product writes -------------------------------------------


@pytest.mark.ci
def test_a_repeated_day_is_a_day_as_the_product_writes_it(tmp_path: Path) -> None:
    checks, days = 20, 5
    (repeated,) = year.build(tmp_path / "repeated", (days,), checks)
    ours = _days(repeated.database)
    written = tmp_path / "written" / "monitoring.db"
    begins_at = datetime.fromtimestamp(min(ours) * 86_400, UTC)
    readings.build(written, checks, 24 * days + 1, checks, begins_at)
    its = _days(written)
    both = sorted(set(ours) & set(its))[1:]  # on the first day every check begins a state
    assert len(both) >= days - 2
    for day in both:
        assert ours[day][0] == its[day][0]
        assert abs(ours[day][1] - its[day][1]) < 0.05 * its[day][1]


def _days(path: Path) -> dict[int, tuple[int, int]]:
    """Return how many rows there are of each whole day, and how long their values and inputs are."""
    sql = "SELECT day, count(*), sum(length(value) + coalesce(length(inputs), 0)) FROM readings GROUP BY day"
    with open_readonly(path) as database:
        found = database.rows(sql)
    return {day: (rows, length) for day, rows, length in found[:-1]}


@pytest.mark.proof
def test_a_year_of_checks_that_always_change_takes_two_megabytes_a_day_at_most(hosts: tuple[Host, Host]) -> None:
    short, long = hosts
    tables = ("readings", "open_readings", "reading_series", "reading_limits")
    sql = f"SELECT sum(pgsize) FROM dbstat WHERE name IN ({', '.join('?' * len(tables))})"
    sizes = []
    for host in (short, long):
        with open_readonly(host.world.database) as database:
            sizes.append(database.rows(sql, tables)[0][0])
    assert (sizes[1] - sizes[0]) / (long.world.days - short.world.days) <= 2_000_000
