"""An alert as one would first store it: `sqlite3`, a connection a call, WAL, every commit synced."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path


def create(path: Path) -> Path:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE alerts (id INTEGER PRIMARY KEY, created_at TEXT, protocol TEXT, message TEXT)")
    return path


def insert(path: Path, message: str) -> None:
    """Store one alert.

    Raises:
        sqlite3.OperationalError: other writers kept the database for longer than the 5 s that `sqlite3` waits.
    """
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute(
            "INSERT INTO alerts (created_at, protocol, message) VALUES (?, ?, ?)",
            (datetime.now(UTC).isoformat(), "aave", message),
        )
