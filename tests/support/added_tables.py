"""The tables that additions make (`monitoring/store/additions`), all of them, and a row for each that has none.

Who carries a database from one place or release to another is tested with this, so that no new table is forgotten.
"""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path

from monitoring.store.db.compatibility import ADDITIONS

LONG_AGO = "2026-01-01T00:00:00.000000Z"
# What is over asks nobody to do anything; the rest of a row is any text and any number.
_OVER = {"ended_at": LONG_AGO, "answered_at": LONG_AGO, "ends_at": LONG_AGO, "status": "sent", "over_said": 1}
_JSON = {"numbers": "{}", "open_ids": "[]", "body": "{}", "contracts": "[]", "content": "{}"}


def added_tables() -> list[str]:
    """Return the names, those that others refer to first."""
    return [name for path in ADDITIONS for name in re.findall(r"^CREATE TABLE (\w+)", path.read_text(), re.MULTILINE)]


def fill_empty(database: Path) -> None:
    """Give each of them that has no row one that is valid, belongs to the oldest of its parents, and is over."""
    connection = sqlite3.connect(database, timeout=30)
    connection.execute("PRAGMA foreign_keys = ON")
    with connection:
        for table in added_tables():
            if not connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]:
                row = _row(connection, table)
                marks = ", ".join("?" * len(row))
                connection.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", list(row.values()))
    connection.close()


def _row(connection: sqlite3.Connection, table: str) -> dict[str, object]:
    row: dict[str, object] = {}
    for _, name, kind, must, default, key in connection.execute(f"PRAGMA table_info({table})"):
        if name in _OVER or name in _JSON:
            row[name] = {**_OVER, **_JSON}[name]
        elif (must and default is None) or (key and kind != "INTEGER"):
            row[name] = 1 if kind == "INTEGER" else LONG_AGO
    for _, _, parent, own, its, *_ in connection.execute(f"PRAGMA foreign_key_list({table})"):
        row[own] = connection.execute(f"SELECT min({its}) FROM {parent}").fetchone()[0]
    return row


def rows_of(database: Path, tables: list[str]) -> dict[str, list[tuple[object, ...]]]:
    """Return all rows of some tables."""
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=30)
    found = {name: connection.execute(f"SELECT * FROM {name}").fetchall() for name in tables}
    connection.close()
    return found
