"""Judges a migration: may the release before it go on writing to what it leaves? Then it only adds.

Read statement by statement; what is not known to be harmless is a fault. Triggers of 0004 insert by position into two
tables, so those can never have another column.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from sqlite3 import complete_statement

_FIXED = frozenset({"alert_zones", "alert_late"})
_NAME = r"(?:IF NOT EXISTS )?(\w+)"
_TABLE = re.compile(rf"CREATE TABLE {_NAME} ?\((.*)\)(?: WITHOUT ROWID| STRICT|,)*", re.IGNORECASE)
_INDEX = re.compile(rf"CREATE (UNIQUE )?INDEX {_NAME} ON (\w+) ?\((.*?)\)(?: WHERE (.*))?", re.IGNORECASE)
_COLUMN = re.compile(r"ALTER TABLE (\w+) ADD COLUMN (\w+) (.*)", re.IGNORECASE)
_NUMBER = re.compile(r"PRAGMA application_id ?= ?\d+", re.IGNORECASE)
_DEFAULT = re.compile(r"\bDEFAULT (?!NULL)", re.IGNORECASE)
_CASCADES = re.compile(r"ON DELETE (CASCADE|SET NULL)", re.IGNORECASE)


def faults(sql: str, earlier: Collection[str]) -> list[str]:
    """Return what in a migration could stop an earlier release; `earlier` are the tables that release knows."""
    return [f"{fault}: {statement}" for statement in _statements(sql) for fault in _faults_of(statement, earlier)]


def _statements(sql: str) -> Iterator[str]:
    statement = ""
    for line in sql.splitlines():
        statement += f" {line.partition('--')[0]}"
        if complete_statement(statement):
            yield " ".join(statement.split()).removesuffix(";").strip()
            statement = ""
    if statement.strip():
        yield statement.strip()


def _faults_of(statement: str, earlier: Collection[str]) -> Iterator[str]:
    if _NUMBER.fullmatch(statement):
        return
    if match := _TABLE.fullmatch(statement):
        yield from _faults_of_references(match[2], earlier)
    elif match := _INDEX.fullmatch(statement):
        yield from _faults_of_index(match, earlier)
    elif match := _COLUMN.fullmatch(statement):
        yield from _faults_of_column(match[1], match[3])
    else:
        yield "only CREATE TABLE, CREATE INDEX, ALTER TABLE … ADD COLUMN and PRAGMA application_id are known to add"


def _faults_of_references(columns: str, earlier: Collection[str]) -> Iterator[str]:
    for match in re.finditer(r"REFERENCES (\w+)([^,]*)", columns, re.IGNORECASE):
        if match[1] in earlier and not _CASCADES.search(match[2]):
            yield f"an earlier release could not delete from {match[1]}: say ON DELETE CASCADE or SET NULL"


def _faults_of_index(match: re.Match[str], earlier: Collection[str]) -> Iterator[str]:
    unique, _, table, columns, condition = match.groups()
    if unique and table in earlier:
        yield f"an earlier release may write what the unique index of {table} refuses"
    if "(" in columns or re.search(r"\b(?!IN\b)\w+ ?\(", condition or "", re.IGNORECASE):
        yield "an expression can fail on what an earlier release writes: index plain columns"


def _faults_of_column(table: str, definition: str) -> Iterator[str]:
    if table in _FIXED:
        yield f"a trigger of 0004 writes {table} by position"
    if re.search(r"\bNOT NULL\b", definition, re.IGNORECASE) and not _DEFAULT.search(definition):
        yield "an earlier release does not know the column: give it a default, or let it be null"
    if re.search(r"\b(CHECK|UNIQUE|PRIMARY|GENERATED|REFERENCES|AS)\b", definition, re.IGNORECASE):
        yield "an earlier release does not know the constraint"
