"""Pages of alerts for the API and the dashboard: each costs the page, not the history. Reads only.

Every combination of equalities has its index ending in the id, and instants become bounds of the id (`alert_spans`): no
query here scans the table or sorts, however the instants lie.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from monitoring.clock import to_text
from monitoring.store import alert_spans
from monitoring.store.alert_spans import Span
from monitoring.store.database import Database, Row

_EQUALITIES = ("protocol", "severity", "source")
_COLUMNS = (
    "id", "created_at", "source", "protocol", "channel", "severity", "message", "plain_text", "silent",
    "delivery_status", "delivered_at", "delivery_error", "metadata_json", "title", "kind", "body_json", "run_id",
    "task", "dedupe_key",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class AlertQuery:
    """Which alerts a page shows; `since` inclusive, `until` exclusive, `before_id` exclusive."""

    protocol: str | None = None
    severity: str | None = None
    source: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    before_id: int | None = None


@dataclass(frozen=True, slots=True)
class AlertRow:
    """A row as it lies in the table: what the old system left may be empty, out of kind or no JSON at all."""

    id: int
    created_at: str
    source: str
    protocol: str
    channel: str
    severity: str | None
    message: str
    plain_text: bool
    silent: bool
    delivery_status: str
    delivered_at: str | None
    delivery_error: str | None
    metadata_json: str | None
    title: str
    kind: str
    body_json: str | None
    run_id: int | None
    task: str | None
    dedupe_key: str | None


def alert_page(database: Database, wanted: AlertQuery, limit: int) -> list[AlertRow]:
    """Return the newest alerts that pass, newest first."""
    found: list[AlertRow] = []
    for span in alert_spans.spans(database, wanted.since, wanted.until, wanted.before_id):
        found += _read(database, *_page_sql(wanted, span, limit - len(found)))
        if len(found) >= limit:
            break
    return found


def one_alert(database: Database, alert_id: int) -> AlertRow | None:
    found = _read(database, "FROM alert_events WHERE id = ?", [alert_id])
    return found[0] if found else None


def alerts_of_run(database: Database, run_id: int, limit: int) -> list[AlertRow]:
    """Return what the tasks of a run raised, oldest first."""
    return _read(
        database, "FROM alert_events INDEXED BY alert_run WHERE run_id = ? ORDER BY id LIMIT ?", [run_id, limit]
    )


def alerts_of_key(database: Database, protocol: str, key: str, limit: int) -> list[AlertRow]:
    """Return what was told of one condition, newest first."""
    where = "WHERE dedupe_key = ? AND +protocol = ? ORDER BY id DESC LIMIT ?"
    return _read(database, f"FROM alert_events INDEXED BY alert_key {where}", [key, protocol, limit])


def protocols(database: Database) -> list[str]:
    """Return the protocols that ever raised an alert, in order: one seek for each."""
    return _distinct(database, "protocol")


def sources(database: Database) -> list[str]:
    """Return the sources alerts came from, in order: one seek for each."""
    return _distinct(database, "source")


def plan(database: Database, wanted: AlertQuery, limit: int) -> list[str]:
    """Return how SQLite means to find a page, one line a step: what the tests hold the indexes to."""
    asked = alert_spans.questions(wanted.since, wanted.until)
    found = [database.rows(f"EXPLAIN QUERY PLAN {sql}", values) for sql, values in asked]
    sql, values = _page_sql(wanted, (1, wanted.before_id), limit)
    found.append(database.rows(f"EXPLAIN QUERY PLAN SELECT {', '.join(_COLUMNS)} {sql}", values))
    return [str(step[3]) for steps in found for step in steps]


def _page_sql(wanted: AlertQuery, span: Span, limit: int) -> tuple[str, list[Any]]:
    """Return the page from `FROM` on. The unary plus keeps SQLite from another index and a sort."""
    equal = [name for name in _EQUALITIES if getattr(wanted, name) is not None]
    conditions = [f"{name} = ?" for name in equal]
    values: list[Any] = [getattr(wanted, name) for name in equal]
    first, end = span
    for condition, value in (
        ("id >= ?", first or None),
        ("id < ?", end),
        ("+created_at >= ?", to_text(wanted.since) if wanted.since else None),
        ("+created_at < ?", to_text(wanted.until) if wanted.until else None),
    ):
        if value is not None:
            conditions.append(condition)
            values.append(value)
    index = f"INDEXED BY alert_{'_'.join(equal)}" if equal else "NOT INDEXED"
    where = f"WHERE {' AND '.join(conditions)} " if conditions else ""
    return f"FROM alert_events {index} {where}ORDER BY id DESC LIMIT ?", [*values, limit]


def _distinct(database: Database, column: str) -> list[str]:
    found = database.rows(
        f"WITH RECURSIVE each(name) AS (SELECT min({column}) FROM alert_events "  # noqa: S608 - a name of our own
        f"UNION ALL SELECT (SELECT min({column}) FROM alert_events WHERE {column} > name) FROM each "
        "WHERE name IS NOT NULL) SELECT CAST(name AS BLOB) FROM each WHERE name IS NOT NULL"
    )
    return [_text(row[0]) or "" for row in found]


def _read(database: Database, sql: str, values: Sequence[Any]) -> list[AlertRow]:
    try:
        rows = database.rows(f"SELECT {', '.join(_COLUMNS)} {sql}", values)
    except UnicodeDecodeError:  # bytes of the old system that are no UTF-8: shown with their marks, never an error
        columns = ", ".join(name if name in _NUMBERS else f"CAST({name} AS BLOB)" for name in _COLUMNS)
        rows = database.rows(f"SELECT {columns} {sql}", values)
    return [_alert(row) for row in rows]


_PLAIN_TEXT, _SILENT = _COLUMNS.index("plain_text"), _COLUMNS.index("silent")
_NUMBERS = ("id", "plain_text", "silent", "run_id")


def _alert(row: Row) -> AlertRow:
    if any(type(value) is bytes for value in row):
        row = tuple(_text(value) if type(value) is bytes else value for value in row)
    return AlertRow(*row[:_PLAIN_TEXT], bool(row[_PLAIN_TEXT]), bool(row[_SILENT]), *row[_SILENT + 1 :])  # type: ignore[call-arg]


def _text(value: bytes | str | None) -> str | None:
    return value.decode("utf-8", errors="replace") if isinstance(value, bytes) else value
