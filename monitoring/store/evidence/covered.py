"""Which tables and columns the digest of a day covers, and when a row of them is final.

A row that may still change when its day is closed (a run that goes on, a delivery that waits, a silence that holds) is
covered with what never changes of it; it stays open, and the first day that finds it final covers all of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import orjson

from monitoring.base.clock import to_text
from monitoring.store.db.compatibility import has_table
from monitoring.store.db.database import Row, Tx, fetch

# Ours: what has not ended by then (a run whose end nobody knows, an alert under a silence) is final as it is.
NEVER_ENDED = timedelta(days=60)
_LONGEST_RUN = timedelta(hours=6)  # ours: of those that end at all almost every one
_IS_OPEN = "status IN ('pending', 'skipped_missing_credentials')"
_IS_FINAL_ALERT = f"""
delivery_status NOT IN ('pending', 'generated', 'silenced', 'skipped_missing_credentials')
AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.alert_id = alert_events.id AND d.{_IS_OPEN})
"""  # noqa: S608 - names of our own


@dataclass(frozen=True, slots=True)
class CoveredTable:
    """One table. `fixed` columns never change, `final` ones not after `is_final` (SQL) holds; the rest is left out.

    `at` is the column that dates a row.
    """

    name: str
    noun: str
    plural: str
    at: str
    fixed: tuple[str, ...]
    final: tuple[str, ...]
    is_final: str
    left_out: tuple[str, ...] = ()
    only: str = "true"

    @property
    def columns(self) -> tuple[str, ...]:
        return (*self.fixed, *self.final)

    def counted(self, number: int) -> str:
        """Return `1 delivery`, `2 deliveries`."""
        return f"{number} {self.noun if number == 1 else self.plural}"


COVERED = (
    CoveredTable(
        "runs", "run", "runs", "started_at",
        fixed=("id", "profile", "trigger", "started_at", "process"),
        final=("tick_at", "status", "reason", "ended_at", "exit_code", "revision", "held_by", "tasks_total"),
        # Of one whose process is gone the end may be found later, in a note that it left.
        is_final="status <> 'running' AND (status <> 'aborted' OR exit_code IS NOT NULL)",
    ),
    CoveredTable(
        "task_runs", "task", "tasks", "started_at",
        fixed=("id", "run_id", "name"),
        final=(
            "status", "reason", "started_at", "ended_at", "duration_s", "exit_code", "signal", "attempts", "cpu_s",
            "peak_rss_bytes", "output_bytes",
        ),
        is_final="status <> 'running'",
        left_out=("output_tail",),  # megabytes a day, of what programs printed
    ),
    CoveredTable(
        "alert_events", "alert", "alerts", "created_at",
        fixed=(
            "id", "created_at", "source", "protocol", "channel", "severity", "message", "plain_text", "silent",
            "dedupe_key", "fingerprint", "metadata_json", "sort_at", "kind", "title", "body_json", "run_id", "task",
        ),
        final=("delivery_status", "delivered_at", "delivery_error"),
        is_final=_IS_FINAL_ALERT,
    ),
    CoveredTable(
        "deliveries", "delivery", "deliveries", "created_at",
        fixed=("id", "alert_id", "destination", "channel", "severity_rank", "created_at"),
        final=("status", "attempts", "parts_sent", "folded_into", "delivered_at", "error", "receipt_json"),
        is_final=f"NOT {_IS_OPEN}",
        left_out=("next_attempt_at", "lease_owner", "lease_until"),  # whose turn it is
        only="destination <> 'notify'",  # a placeholder: real ones come in its place
    ),
    CoveredTable(
        "silences", "silence", "silences", "starts_at",
        fixed=("id", "protocol", "key", "starts_at", "reason", "created_by"),
        final=("ends_at", "silenced"),
        is_final="ends_at < :end",
    ),
    CoveredTable(
        "narrow_silences", "silence", "silences", "starts_at",
        fixed=("id", "protocol", "key", "severity", "chain", "hours", "starts_at", "reason", "created_by"),
        final=("ends_at", "silenced", "last_at"),
        is_final="ends_at < :end",
    ),
    CoveredTable(
        "pauses", "pause", "pauses", "starts_at",
        fixed=("id", "kind", "name", "starts_at", "reason", "created_by"),
        final=("ends_at", "ended_by", "held_back"),
        # A run that began under it counts what it held back when it ends.
        is_final="ends_at < :settled",
        left_out=("over_said",),  # whether its end was announced: that is an alert
    ),
    CoveredTable(
        "acknowledgements", "acknowledgement", "acknowledgements", "at",
        fixed=("id", "monitor", "check_name", "chain", "subject", "episode", "severity", "by", "note", "at"),
        final=("ends_at", "ended_at", "ended_by", "held_back"),
        is_final="ended_at IS NOT NULL AND ended_at < :end",
    ),
    CoveredTable(
        "people_drills", "drill", "drills", "due_at",
        fixed=("id", "person", "planned_by", "due_at"),
        final=("asked_at", "answer_by", "alert_id", "answered_at", "ended_at", "outcome"),
        # An answer counts for weeks after the end.
        is_final="ended_at < :end AND (answered_at IS NOT NULL OR outcome IN ('accepted', 'dropped'))",
    ),
)  # fmt: skip


def newest_id(tx: Tx, table: CoveredTable, after_id: int, end: datetime) -> int:
    """Return up to which id a day that ends then covers: what was recorded between two of its rows comes with them."""
    if not has_table(tx, table.name):
        return after_id
    sql = f"SELECT max(id) FROM {table.name} WHERE id > ? AND {table.at} < ?"  # noqa: S608 - names of our own
    [(found,)] = fetch(tx, sql, (after_id, to_text(end)))
    return max(after_id, found or 0)


def last_id(tx: Tx, table: CoveredTable) -> int:
    """Return the highest id there is."""
    if not has_table(tx, table.name):
        return 0
    [(found,)] = fetch(tx, f"SELECT max(id) FROM {table.name}")  # noqa: S608 - names of our own
    return found or 0


def ids(tx: Tx, table: CoveredTable, after_id: int, last_id: int, carried: Sequence[int]) -> list[int]:
    """Return the ids of the rows that a day covers, in order."""
    return [row[0] for row in _covered(tx, table, "id", after_id, last_id, carried)]


def final_ids(tx: Tx, table: CoveredTable, ids: Sequence[int], end: datetime) -> set[int]:
    """Return which of these rows do not change any more."""
    final = f"({table.is_final}) OR {table.at} < :old"
    values = {
        "ids": str(list(ids)), "end": to_text(end), "old": to_text(end - NEVER_ENDED),
        "settled": to_text(end - _LONGEST_RUN),
    }  # fmt: skip
    sql = f"SELECT id FROM {table.name} WHERE id IN (SELECT value FROM json_each(:ids)) AND ({final})"  # noqa: S608
    return {row[0] for row in fetch(tx, sql, values)}


def rows(tx: Tx, table: CoveredTable, after_id: int, last_id: int, carried: Sequence[int]) -> Iterator[Row]:
    """Yield the columns of the rows that a day covers, in the order of their ids."""
    yield from _covered(tx, table, ", ".join(table.columns), after_id, last_id, carried)


def _covered(
    tx: Tx, table: CoveredTable, columns: str, after_id: int, last_id: int, carried: Sequence[int]
) -> Iterator[Row]:
    """Yield what was open before first: it is older than the rest."""
    if not has_table(tx, table.name):
        return
    sql = f"SELECT {columns} FROM {table.name} WHERE {table.only} AND {{}} ORDER BY id"  # noqa: S608 - names of our own
    if carried:
        yield from tx.execute(sql.format("id IN (SELECT value FROM json_each(?))"), (str(list(carried)),))
    if last_id > after_id:
        yield from tx.execute(sql.format("id > ? AND id <= ?"), (after_id, last_id))


def as_line(table: CoveredTable, row: Row, *, is_open: bool) -> bytes:
    """Return a row as the digest sees it: a JSON list of its columns, of an open one those that never change."""
    return orjson.dumps(row[: len(table.fixed)] if is_open else row, default=_bytes)


def _bytes(value: object) -> str:
    return f"bytes {value.hex()}" if isinstance(value, bytes) else repr(value)


def dated_later(tx: Tx, table: CoveredTable, last_id: int, since: datetime, end: datetime) -> int:
    """Return how many rows that are dated within [since, end) were recorded after the day was closed."""
    if not has_table(tx, table.name):
        return 0
    condition = f"id > ? AND {table.at} >= ? AND {table.at} < ? AND {table.only}"
    [(found,)] = fetch(
        tx,
        f"SELECT count(*) FROM {table.name} WHERE {condition}",  # noqa: S608
        (last_id, to_text(since), to_text(end)),
    )
    return int(found)
