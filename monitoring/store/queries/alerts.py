"""Pages of alerts for the API and the dashboard: each costs the page, not the history. Reads only.

Every combination of equalities has its index ending in the id, and instants become bounds of the id (`alert_parts`): no
query here scans the table or sorts, however the instants lie.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from monitoring.base.clock import to_text
from monitoring.store.db.compatibility import has_table
from monitoring.store.db.database import Database, Row
from monitoring.store.queries import pagination
from monitoring.store.queries.pagination import IN_ORDER, LATE, IdRange

_EQUALITIES = ("protocol", "severity", "source")
_AFTER_ANY = "\U0010ffff"


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
class Filter:
    """Which alerts a listing of the command line shows; `since` is inclusive, `until` exclusive."""

    protocol: str | None = None
    severity: str | None = None
    source: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    after_id: int | None = None


@dataclass(frozen=True, slots=True)
class PublishedAlert:
    """The columns that `/v1/alerts` publishes, in its order: a field added here is read and published.

    What the old system left may be empty, out of kind or no JSON at all.
    """

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


@dataclass(frozen=True, slots=True)
class AlertRow(PublishedAlert):
    """A row as it lies in the table, with what only the pages and the command line show."""

    title: str
    kind: str
    body_json: str | None
    run_id: int | None
    task: str | None
    dedupe_key: str | None


_COLUMNS = tuple(column.name for column in fields(AlertRow))


def alert_page(database: Database, wanted: AlertQuery, limit: int) -> list[AlertRow]:
    """Return the newest alerts that pass, newest first."""
    found: list[AlertRow] = []
    for part in pagination.parts(database, wanted.since, wanted.until, wanted.before_id):
        if len(found) < limit:
            found += read_rows(database, *page_sql(wanted, part, limit - len(found)))
    return found


def newest(database: Database, wanted: Filter, limit: int) -> list[AlertRow]:
    """Return the newest alerts that pass the filter, newest first."""
    conditions, values = _conditions(wanted)
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    return read_rows(database, f"FROM alert_events {where} ORDER BY id DESC LIMIT ?", [*values, limit])


def _conditions(wanted: Filter) -> tuple[list[str], list[Any]]:
    parts = [
        ("protocol = ?", wanted.protocol),
        ("severity = ?", wanted.severity),
        ("source = ?", wanted.source),
        ("sort_at >= ?", to_text(wanted.since) if wanted.since else None),  # the bound that an index knows
        ("created_at >= ?", to_text(wanted.since) if wanted.since else None),
        ("created_at < ?", to_text(wanted.until) if wanted.until else None),
        ("id > ?", wanted.after_id),
    ]
    return [sql for sql, value in parts if value is not None], [value for _, value in parts if value is not None]


def one_alert(database: Database, alert_id: int) -> AlertRow | None:
    found = read_rows(database, "FROM alert_events WHERE id = ?", [alert_id])
    return found[0] if found else None


def alerts_of_run(database: Database, run_id: int, limit: int) -> list[AlertRow]:
    """Return what the tasks of a run raised, oldest first."""
    return read_rows(
        database, "FROM alert_events INDEXED BY alert_run WHERE run_id = ? ORDER BY id LIMIT ?", [run_id, limit]
    )


def alerts_of_key(database: Database, names: Sequence[str], key: str, limit: int) -> list[AlertRow]:
    """Return the alerts of one condition, newest first; their protocol is one of the names it had."""
    where = f"WHERE dedupe_key = ? AND +protocol IN ({', '.join('?' * len(names))}) ORDER BY id DESC LIMIT ?"
    return read_rows(database, f"FROM alert_events INDEXED BY alert_key {where}", [key, *names, limit])


def alerts_of_thread(database: Database, thread: str, limit: int) -> list[AlertRow]:
    """Return the newest alerts about one thing, newest first; none where no release that writes threads has run."""
    with database.snapshot() as tx:
        if not has_table(tx, "alert_threads"):
            return []
    ids = "SELECT alert_id FROM alert_threads WHERE thread = ? ORDER BY alert_id DESC LIMIT ?"
    return read_rows(database, f"FROM alert_events WHERE id IN ({ids}) ORDER BY id DESC", [thread, limit])


def protocols(database: Database) -> list[str]:
    """Return the protocols that ever raised an alert, in order: one seek for each."""
    return _distinct(database, "protocol")


def sources(database: Database) -> list[str]:
    """Return the sources alerts came from, in order: one seek for each."""
    return _distinct(database, "source")


def plan(database: Database, wanted: AlertQuery, limit: int) -> list[str]:
    """Return how SQLite means to find a page, one line a step: what the tests hold the indexes to."""
    asked = pagination.questions(wanted.since, wanted.until)
    zoned = (IN_ORDER, LATE) if asked else ()
    for part in [IdRange(1, wanted.before_id or 9), *(IdRange(1, 9, zones) for zones in zoned)]:
        sql, values = page_sql(wanted, part, limit)
        asked.append((f"SELECT {', '.join(_COLUMNS)} {sql}", values))
    found = [database.rows(f"EXPLAIN QUERY PLAN {sql}", values) for sql, values in asked]
    return [str(step[3]) for steps in found for step in steps]


def page_sql(wanted: AlertQuery, part: IdRange, limit: int) -> tuple[str, list[Any]]:
    """Return the page from `FROM` on. The unary plus keeps SQLite from another index and a sort."""
    equal = [name for name in _EQUALITIES if getattr(wanted, name) is not None]
    passes = [(f"{name} = ?", getattr(wanted, name)) for name in equal]
    passes += [("+created_at >= ?", to_text(wanted.since))] if wanted.since else []
    passes += [("+created_at < ?", to_text(wanted.until))] if wanted.until else []
    table = f"alert_events INDEXED BY alert_{'_'.join(equal)}" if equal else "alert_events NOT INDEXED"
    source, order, bounds = _within(part, table, wanted)
    where = " AND ".join(condition for condition, _ in (*bounds, *passes))
    values = [value for _, value in (*bounds, *passes)]
    return f"FROM {source} WHERE {where} ORDER BY {order} LIMIT ?", [*values, limit]


def _within(part: IdRange, table: str, wanted: AlertQuery) -> tuple[str, str, list[tuple[str, Any]]]:
    """Return (source, order, conditions with their values) that keep a page within a part of the history."""
    if part.zones is None:
        return table, "id DESC", [("id >= ?", part.first), ("id < ?", part.end)]
    bits = part.zones.bits
    bounds: list[tuple[str, Any]] = [
        ("zone >= ?", part.first >> bits),
        ("zone <= ?", (part.end - 1) >> bits),
        ("newest >= ?", to_text(wanted.since) if wanted.since else ""),
        ("oldest < ?", to_text(wanted.until) if wanted.until else _AFTER_ANY),
        (f"id >= max(zone << {bits}, ?)", part.first),
        (f"id < min((zone + 1) << {bits}, ?)", part.end),
    ]
    return f"{part.zones.table} CROSS JOIN {table}", "zone DESC, id DESC", bounds


def _distinct(database: Database, column: str) -> list[str]:
    found = database.rows(
        f"WITH RECURSIVE each(name) AS (SELECT min({column}) FROM alert_events "  # noqa: S608 - a name of our own
        f"UNION ALL SELECT (SELECT min({column}) FROM alert_events WHERE {column} > name) FROM each "
        "WHERE name IS NOT NULL) SELECT CAST(name AS BLOB) FROM each WHERE name IS NOT NULL"
    )
    return [_text(row[0]) or "" for row in found]


def read_rows(database: Database, sql: str, values: Sequence[Any]) -> list[AlertRow]:
    """Return the rows of a query that is given from `FROM` on."""
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
