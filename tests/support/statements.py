"""Which statements a question made SQLite execute, how it meant to find the rows, and what that cost by its counters.

Connections that are opened meanwhile are counted, also those of other threads and deep inside the application.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import apsw


@dataclass
class Statements:
    """What was executed on one file: the statements with their values, and the steps of SQLite's machine."""

    path: Path
    executed: list[tuple[str, Any]] = field(default_factory=list)
    steps: int = 0
    _connections: list[apsw.Connection] = field(default_factory=list)
    _pages_before: int = 0

    def forget(self) -> None:
        """Begin to count again."""
        self.executed.clear()
        self._connections = [each for each in self._connections if _is_open(each)]
        self.steps, self._pages_before = 0, self._pages_of_all()

    @property
    def pages(self) -> int:
        """How many pages were looked into, in memory or not."""
        return self._pages_of_all() - self._pages_before

    def plans(self) -> dict[str, list[str]]:
        """Return how SQLite finds the rows of each statement that read."""
        reads = {sql: values for sql, values in self.executed if sql.lstrip().upper().startswith(("SELECT", "WITH"))}
        with closing(apsw.Connection(str(self.path), flags=apsw.SQLITE_OPEN_READONLY)) as connection:
            self._connections.remove(connection)  # its own, which is not counted
            connection.exec_trace = None
            return {sql: _plan(connection, sql, values) for sql, values in reads.items()}

    def watch(self, connection: apsw.Connection) -> None:
        if connection.filename == str(self.path):
            self._connections.append(connection)
            connection.exec_trace = self._begun
            connection.trace_v2(apsw.SQLITE_TRACE_PROFILE, self._ended, id="statements")

    def _begun(self, _: object, sql: str, values: Any) -> bool:
        self.executed.append((sql, values))
        return True

    def _ended(self, found: dict[str, Any]) -> None:
        self.steps += found["stmt_status"]["SQLITE_STMTSTATUS_VM_STEP"]

    def _pages_of_all(self) -> int:
        counters = (apsw.SQLITE_DBSTATUS_CACHE_HIT, apsw.SQLITE_DBSTATUS_CACHE_MISS)
        return sum(each.status(one)[0] for each in self._connections for one in counters)


def _is_open(connection: apsw.Connection) -> bool:
    try:
        return bool(connection.filename)
    except apsw.ConnectionClosedError:
        return False


def _plan(connection: apsw.Connection, sql: str, values: Any) -> list[str]:
    return [str(row[3]) for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", values)]


@contextmanager
def statements_on(path: Path) -> Iterator[Statements]:
    """Count what connections to the file execute that are opened within."""
    found = Statements(path)
    apsw.connection_hooks.append(found.watch)
    try:
        yield found
    finally:
        apsw.connection_hooks.remove(found.watch)
