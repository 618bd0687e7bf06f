"""From 0006 on a migration only adds, so that the release before it can go on with the database."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from monitoring.store.db.compatibility import ADDITIONS, MIGRATIONS, SchemaNumbers
from tests.support.additive import faults

GRANDFATHERED = 5
ROOT = Path(__file__).resolve().parents[2]
EARLIER = {"alert_events", "deliveries", "conditions", "alert_zones", "runs"}


def tables_before(number: int) -> set[str]:
    texts = (path.read_text(encoding="utf-8") for path in MIGRATIONS[:number])
    return {name for text in texts for name in re.findall(r"CREATE TABLE (?:IF NOT EXISTS )?(\w+)", text)}


def test_every_migration_after_the_fifth_only_adds() -> None:
    found = {
        path.name: faults(path.read_text(encoding="utf-8"), tables_before(number))
        for number, path in enumerate(MIGRATIONS)
        if number >= GRANDFATHERED
    }
    assert {name: wrong for name, wrong in found.items() if wrong} == {}
    assert "alert_events" in tables_before(GRANDFATHERED), "the tables of earlier releases are known"


def test_every_addition_only_adds_and_is_named_by_its_first_table() -> None:
    """The first release in the field refuses a file of a version above its own: what only adds raises none."""
    assert len(MIGRATIONS) == GRANDFATHERED
    for path in ADDITIONS:
        text = path.read_text(encoding="utf-8")
        assert faults(text, tables_before(GRANDFATHERED)) == []
        assert re.findall(r"CREATE TABLE (\w+)", text)[0] == path.stem


def test_the_migrations_are_numbered_without_a_gap() -> None:
    assert [path.name[:4] for path in MIGRATIONS] == [f"{number:04d}" for number in range(1, len(MIGRATIONS) + 1)]


@pytest.mark.parametrize(
    "sql",
    [
        "-- a comment; with a semicolon\nCREATE TABLE acks (id INTEGER PRIMARY KEY, by TEXT NOT NULL);",
        "CREATE TABLE IF NOT EXISTS acks (alert_id INTEGER REFERENCES alert_events (id) ON DELETE CASCADE) STRICT;",
        "CREATE INDEX ack_alert ON acks (alert_id) WHERE state IN ('open', 'taken');",
        "CREATE INDEX alert_owner ON alert_events (owner);",
        "CREATE UNIQUE INDEX ack_once ON acks (alert_id);",
        "ALTER TABLE deliveries ADD COLUMN message_id INTEGER;",
        "ALTER TABLE deliveries ADD COLUMN note TEXT NOT NULL DEFAULT '';",
        "PRAGMA application_id = 6;",
    ],
)
def test_what_adds_is_allowed(sql: str) -> None:
    assert faults(sql, EARLIER) == []


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("DROP TABLE runs;", "only CREATE TABLE"),
        ("DROP INDEX run_started;", "only CREATE TABLE"),
        ("ALTER TABLE runs RENAME COLUMN reason TO why;", "only CREATE TABLE"),
        ("ALTER TABLE runs DROP COLUMN reason;", "only CREATE TABLE"),
        ("UPDATE runs SET reason = '';", "only CREATE TABLE"),
        ("INSERT INTO runs SELECT 1;", "only CREATE TABLE"),
        ("CREATE TRIGGER t AFTER INSERT ON runs BEGIN\nDELETE FROM runs;\nEND;", "only CREATE TABLE"),
        ("CREATE VIEW v AS SELECT 1;", "only CREATE TABLE"),
        ("PRAGMA user_version = 9;", "only CREATE TABLE"),
        ("ALTER TABLE runs ADD COLUMN owner TEXT NOT NULL;", "give it a default"),
        ("ALTER TABLE runs ADD COLUMN owner TEXT NOT NULL DEFAULT NULL;", "give it a default"),
        ("ALTER TABLE runs ADD COLUMN owner TEXT CHECK (owner <> '');", "the constraint"),
        ("ALTER TABLE alert_zones ADD COLUMN count INTEGER;", "by position"),
        ("CREATE UNIQUE INDEX one ON runs (profile);", "the unique index of runs"),
        ("CREATE INDEX key ON conditions (json_extract(data_json, '$.v'));", "plain columns"),
        ("CREATE INDEX key ON conditions (monitor) WHERE json_valid(data_json);", "plain columns"),
        ("CREATE TABLE acks (alert_id INTEGER REFERENCES alert_events (id));", "ON DELETE CASCADE"),
    ],
)
def test_what_could_stop_an_earlier_release_is_a_fault(sql: str, why: str) -> None:
    assert any(why in fault for fault in faults(sql, EARLIER)), faults(sql, EARLIER)


def test_no_statement_writes_or_reads_a_table_by_position() -> None:
    """A newer release may have added a column: by position it fails, and a replaced row would lose its value."""
    by_position = re.compile(r"REPLACE INTO|INTO [\w.{}]+ (?:VALUES|SELECT)|SELECT (?:\w\.)?\* FROM \w")
    sources = sorted((ROOT / "monitoring").rglob("*.py"))
    found = [f"{path}: {match[0]}" for path in sources for match in by_position.finditer(path.read_text())]
    assert found == []
    assert len(sources) > 100


@pytest.mark.parametrize(
    ("version", "oldest", "known", "refused"),
    [
        (5, 0, 5, False), (6, 0, 5, False), (99, 0, 5, False), (6, 5, 5, False), (6, 6, 5, True), (9, 7, 6, True),
        (9, 7, 7, False), (5, 6, 5, False), (9, 252006674, 5, False), (0, 252006674, 5, False), (9, -1, 5, False),
    ],
)  # fmt: skip
def test_the_two_numbers_decide_who_may_use_a_database(version: int, oldest: int, known: int, *, refused: bool) -> None:
    assert (SchemaNumbers(version, oldest).refusal(Path("monitoring.db"), known) is not None) is refused
