"""What nobody looks at any more is ended in a real database: quietly, once, and nothing else with it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from monitoring.alerts.recording.close_orphaned import end_unwatched
from monitoring.alerts.recording.store_alert import NOBODY
from monitoring.base.clock import to_text
from monitoring.conditions.condition import Condition, ConditionKey, NoData, State
from monitoring.conditions.severity import Severity
from monitoring.store.db.database import Database
from monitoring.store.db.schema import open_database
from monitoring.store.tables import conditions

NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)
BEFORE = NOW - timedelta(hours=2)
SOURCE = ConditionKey("sources", "mainnet")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """Two monitors, each blind by mainnet, which was told; one crashed, and so did a script."""
    with open_database(tmp_path / "monitoring.db") as opened:
        with opened.write() as tx:
            for name in ("one", "two"):
                blind = Condition(
                    ConditionKey(name, "floor"),
                    no_data=NoData(BEFORE, source="mainnet"),
                    memory={"mark": "5"},
                    declared=True,
                )
                conditions.put(tx, blind, BEFORE)
            for key in (SOURCE, ConditionKey("two", "(crash)"), ConditionKey("script", "(crash)")):
                conditions.put(
                    tx, Condition(key, State.FIRING, Severity.HIGH, Severity.HIGH, "told", fired_at=BEFORE), BEFORE
                )
        yield opened


def end(database: Database, named: set[str], run: set[str]) -> list[str]:
    return end_unwatched(database, named, run, NOW, NOBODY)


def firing(database: Database) -> list[str]:
    with database.snapshot() as tx:
        return sorted(str(row.key) for row in conditions.firing(tx))


def notes(database: Database) -> list[tuple[object, ...]]:
    return database.rows("SELECT protocol, dedupe_key, severity FROM alert_events ORDER BY id")


def test_a_monitor_that_is_gone_takes_its_crash_along_and_a_scripts_stays(database: Database) -> None:
    assert end(database, {"one"}, {"one"}) == ["two"]
    assert firing(database) == ["script: (crash)", "sources: mainnet"], "mainnet still blinds the other"
    assert notes(database) == [("two", "(crash)", "LOW")]
    assert end(database, {"one"}, {"one"}) == []


def test_a_source_that_blinds_nobody_any_more_ends_even_if_no_check_is_left_to_see_it(database: Database) -> None:
    assert end(database, {"two"}, set()) == ["one"]
    assert firing(database) == ["script: (crash)", "two: (crash)"]
    assert notes(database) == [("sources", "mainnet", "LOW")]
    assert database.rows("SELECT count(*) FROM conditions WHERE blind_since IS NOT NULL") == [(0,)]
    with database.snapshot() as tx:
        kept = [row.memory for row in conditions.of_monitor(tx, "two") if row.declared]
    assert kept == [{"mark": "5"}], "it may come back"


def test_for_how_long_nothing_was_seen_stays_known_in_one_line_a_source(database: Database) -> None:
    end(database, set(), set())
    assert database.rows("SELECT source, since, until, checks FROM blind_spells") == [
        ("mainnet", to_text(BEFORE), to_text(NOW), 2)
    ]


def test_nothing_is_written_while_everything_is_watched(database: Database) -> None:
    before = database.rows("SELECT * FROM conditions")
    assert end(database, {"one", "two"}, {"one", "two"}) == []
    assert (database.rows("SELECT * FROM conditions"), notes(database)) == (before, [])
