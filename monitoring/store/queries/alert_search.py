"""Alerts whose text or delivery is asked for, which no index knows: the newest of what the other filters pass is read.

A search looks at so many rows and stops, and says where: the next one goes on from there. So the history may be as long
as it is, no search reads all of it (decision 0058).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from monitoring.store.db.database import Database
from monitoring.store.queries import pagination
from monitoring.store.queries.alerts import AlertQuery, AlertRow, page_sql, read_rows
from monitoring.store.queries.pagination import IdRange

MOST_READ = 20_000  # some tens of milliseconds; of most teams the alerts of a year
# ASCII letters in either case; nothing in the text of a person is a pattern.
_TEXT = "instr(lower(title || char(10) || message), ?) > 0"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is looked for: part of the title or message, and the delivery status."""

    text: str = ""
    delivery: str = ""

    @property
    def is_anything(self) -> bool:
        return bool(self.text or self.delivery)


@dataclass(frozen=True, slots=True)
class SearchResult:
    """What was found, newest first. `reached` is the id a search goes on below; none where everything was read."""

    rows: list[AlertRow]
    reached: int | None


def search(database: Database, query: AlertQuery, wanted: Wanted, limit: int, most: int = MOST_READ) -> SearchResult:
    """Return at most `limit` alerts of the newest `most` that pass `query`."""
    found: list[AlertRow] = []
    for part in pagination.parts(database, query.since, query.until, query.before_id):
        sql, values = _search_sql(query, wanted, part, most, limit - len(found))
        found += read_rows(database, sql, values)
        if len(found) >= limit:
            return SearchResult(found, found[-1].id)
        count, oldest = _read_so_far(database, query, part, most)
        most -= count
        if most <= 0:
            return SearchResult(found, oldest)
    return SearchResult(found, None)


def plan(database: Database, query: AlertQuery, wanted: Wanted) -> list[str]:
    """Return how SQLite means to search, one line a step: what the tests hold the indexes to."""
    asked = [_search_sql(query, wanted, IdRange(1, query.before_id or 9), 9, 9), _oldest_sql(query, IdRange(1, 9), 9)]
    columns = ("id", "count(*), min(id)")
    found = [
        database.rows(f"EXPLAIN QUERY PLAN SELECT {column} {sql}", values)
        for column, (sql, values) in zip(columns, asked, strict=True)
    ]
    return [str(step[3]) for steps in found for step in steps]


def _search_sql(query: AlertQuery, wanted: Wanted, part: IdRange, most: int, limit: int) -> tuple[str, list[Any]]:
    inner, values = page_sql(query, part, most)
    tests = [(_TEXT, wanted.text.lower())] if wanted.text else []
    tests += [("delivery_status = ?", wanted.delivery)] if wanted.delivery else []
    where = " AND ".join(sql for sql, _ in tests)
    # Without an order of its own the outer query keeps that of the inner one, and stops at its limit.
    sql = f"FROM (SELECT alert_events.* {inner}) WHERE {where} LIMIT ?"
    return sql, [*values, *(value for _, value in tests), limit]


def _oldest_sql(query: AlertQuery, part: IdRange, most: int) -> tuple[str, list[Any]]:
    inner, values = page_sql(query, part, most)
    return f"FROM (SELECT id {inner})", values


def _read_so_far(database: Database, query: AlertQuery, part: IdRange, most: int) -> tuple[int, int | None]:
    sql, values = _oldest_sql(query, part, most)
    found = database.row(f"SELECT count(*), min(id) {sql}", values)
    return (int(found[0]), found[1]) if found else (0, None)
