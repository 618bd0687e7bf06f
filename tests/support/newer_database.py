"""Makes of a database what a later release would make of it: columns, a table, an index, and the numbers.

For any test that wants to know what this release does with the database of the next one.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import apsw

# Triggers of migration 0004 insert into these by position: no release can give them a column.
_FIXED = frozenset({"alert_zones", "alert_late"})
_COLUMNS = ("added_text TEXT NOT NULL DEFAULT 'a default'", "added_number INTEGER")
Marks = dict[str, dict[str, int]]


def make_newer(path: Path, *, by: int = 1, oldest_release: int = 0) -> None:
    """Migrate as a release would that is `by` schema versions ahead; each row gets a number of its own.

    `oldest_release` is what that release says who may still use the file.
    """
    with closing(apsw.Connection(str(path))) as connection:
        connection.set_busy_timeout(10_000)
        connection.execute("BEGIN IMMEDIATE")
        for table in _tables(connection) - _FIXED:
            for column in _COLUMNS:
                connection.execute(f"ALTER TABLE {table} ADD COLUMN {column}")
            connection.execute(f"UPDATE {table} SET added_number = abs(random() % 1000000)")
        connection.execute(
            "CREATE TABLE added_table (id INTEGER PRIMARY KEY, note TEXT NOT NULL, "
            "alert_id INTEGER REFERENCES alert_events (id) ON DELETE CASCADE);"
            "INSERT INTO added_table VALUES (1, 'of the newer release', NULL);"
            "CREATE INDEX added_index ON alert_events (added_text)"
        )
        version = int(connection.pragma("user_version")) + by
        connection.execute(f"PRAGMA user_version = {version}; PRAGMA application_id = {oldest_release}; COMMIT")


def marks(path: Path) -> Marks:
    """Return the numbers that the newer release gave its rows: table, key of the row, number."""
    with closing(apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)) as connection:
        connection.set_busy_timeout(10_000)
        return {table: _marks_of(connection, table) for table in sorted(_tables(connection) - _FIXED - {"added_table"})}


def _marks_of(connection: apsw.Connection, table: str) -> dict[str, int]:
    columns = list(connection.execute(f"PRAGMA table_info({table})"))
    keys = [str(row[1]) for row in columns if row[5]]
    found = connection.execute(
        f"SELECT {' || char(31) || '.join(keys)}, added_number FROM {table} WHERE added_number IS NOT NULL"
    )
    return {str(key): int(str(number)) for key, number in found}


def _tables(connection: apsw.Connection) -> set[str]:
    found = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    return {str(row[0]) for row in found}
