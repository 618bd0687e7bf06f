"""Brings what must survive out of a database that goes away (damaged, deleted, replaced) into the one that stays.

Called by `repair` and `lost`. The source is read row by row, as far as it can be read; whichever release wrote it.
State of monitors stays behind: first values after it are seeds, not changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import apsw

from monitoring.base.clock import instant_or_none, to_text
from monitoring.base.plural import counted
from monitoring.store.db.database import Tx

# Small tables: what the audit needs, what people asked for, and what keeps people and machines from hearing twice.
# Who had an incident stays behind with it: it begins again. Closed days stay behind with the rows that they cover.
_SMALL = (
    "schedules", "scheduler_starts", "silences", "narrow_silences", "chat_migrations", "webhook_calls", "pauses",
    "people_drills", "handled_updates",
)  # fmt: skip
_OPEN = "status IN ('pending', 'skipped_missing_credentials')"
# The first way that can be read to its end knows them all; of a table with a hole, its two ends.
_WAYS_TO_THE_OPEN = (
    f"SELECT id FROM deliveries INDEXED BY delivery_open WHERE {_OPEN}",  # noqa: S608 - names of our own
    f"SELECT id FROM deliveries NOT INDEXED WHERE {_OPEN} ORDER BY id",  # noqa: S608
    f"SELECT id FROM deliveries NOT INDEXED WHERE {_OPEN} ORDER BY id DESC",  # noqa: S608
)
# A message in flight ends as delivered where its id is the same; a lease of a process that lost sight of it would only
# hold up the chat.
_UNLEASED = {"lease_owner": None, "lease_until": None, "folded_into": None}
_Fields = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Salvaged:
    """How many undelivered alerts came along, and whether those are all there were."""

    alerts: int = 0
    is_complete: bool = True

    def __add__(self, more: Salvaged) -> Salvaged:
        """Add what a second source of the same database gave: one that was read whole had all there were."""
        return Salvaged(self.alerts + more.alerts, self.is_complete or more.is_complete)

    def __str__(self) -> str:
        was = "was" if self.alerts == 1 else "were"
        lost = "" if self.is_complete else "; others may be lost, because a part of it cannot be read"
        return f"{counted(self.alerts, 'undelivered alert')} {was} carried over{lost}"


def salvage(source: apsw.Connection, tx: Tx, now: datetime) -> Salvaged:
    """Copy into `tx` what `source` still had to deliver, silences, pauses, what people did, and the schedule history.

    What is there already stays as it is, so it may be called again for the same source. The rows of earlier ticks are
    lost: nobody may take their absence for ticks that nobody ran.
    """
    return _Salvage(source, tx).run(now)


class _Salvage:
    def __init__(self, source: apsw.Connection, tx: Tx) -> None:
        self._source = source
        self._tx = tx
        self._is_complete = True

    def run(self, now: datetime) -> Salvaged:
        for table in _SMALL:
            if not self._fetch(f"PRAGMA table_info({table})"):
                continue  # the source is of a release that does not know it
            for row in self._rows(table, f"SELECT rowid FROM {table}"):  # noqa: S608 - names of our own
                with self._one_row():
                    self._add_unless_there(table, row)
        self._keep_ids_growing()
        alerts = self._take_waiting()
        self._tx.execute("UPDATE schedules SET reconciled_to = max(reconciled_to, ?)", (to_text(now),))
        return Salvaged(alerts, self._is_complete)

    def _take_waiting(self) -> int:
        """Copy each alert that waits and is not known here, with its deliveries; count them."""
        waiting = {row["id"]: row for row in self._rows_by_id("deliveries", self._open_ids())}
        alert_ids = sorted({row["alert_id"] for row in waiting.values() if isinstance(row["alert_id"], int)})
        new_ids: dict[int, int] = {}
        taken = 0
        for alert in self._rows_by_id("alert_events", alert_ids):
            if self._is_known(alert):
                continue
            with self._one_row():
                self._take(alert, waiting, new_ids)
                taken += 1
        self._fold_again(waiting.values(), new_ids)
        return taken

    def _take(self, alert: _Fields, waiting: dict[int, _Fields], new_ids: dict[int, int]) -> None:
        alert_id = self._insert("alert_events", {**alert, "sort_at": self._sort_at(alert), "run_id": None})
        for row in self._rows("deliveries", "SELECT id FROM deliveries WHERE alert_id = ?", alert["id"]):
            waiting.setdefault(row["id"], row)
        self._take_threads(alert["id"], alert_id)
        own = (each for each in waiting.values() if each["alert_id"] == alert["id"])
        for row in sorted(own, key=lambda each: int(each["id"])):
            new_ids[row["id"]] = self._insert("deliveries", {**row, **_UNLEASED, "alert_id": alert_id})

    @contextmanager
    def _one_row(self) -> Iterator[None]:
        """Leave out what damage made unfit for its table (a severity that is not there): it costs no other row."""
        try:
            with self._tx:
                yield
        except apsw.ConstraintError:
            self._is_complete = False

    def _take_threads(self, known_as: int, alert_id: int) -> None:
        """Copy what an alert is about, where the source is of a release that knows it."""
        if not self._fetch("PRAGMA table_info(alert_threads)"):
            return
        for row in self._rows("alert_threads", "SELECT id FROM alert_threads WHERE alert_id = ? ORDER BY id", known_as):
            self._insert("alert_threads", {**row, "alert_id": alert_id})

    def _open_ids(self) -> list[int]:
        found: dict[int, None] = {}
        for sql in _WAYS_TO_THE_OPEN:
            self._is_complete = True
            found |= {row[0]: None for row in self._fetch(sql)}
            if self._is_complete:
                break
        return list(found)

    def _fold_again(self, rows: Iterable[_Fields], new_ids: dict[int, int]) -> None:
        for row in rows:
            leader, member = new_ids.get(row["folded_into"] or 0), new_ids.get(row["id"])
            if leader and member:
                self._tx.execute("UPDATE deliveries SET folded_into = ? WHERE id = ?", (leader, member))

    def _is_known(self, alert: _Fields) -> bool:
        found = self._tx.execute(
            "SELECT 1 FROM alert_events WHERE created_at = ? AND message = ? AND protocol = ? LIMIT 1",
            (alert["created_at"], alert["message"], alert["protocol"]),
        )
        return found.fetchone() is not None

    def _sort_at(self, alert: _Fields) -> str:
        last = self._tx.execute("SELECT sort_at FROM alert_events ORDER BY id DESC LIMIT 1").fetchone()
        # A damaged one might sort after every instant, and all later alerts with it.
        at = str(alert["sort_at"]) if instant_or_none(str(alert["sort_at"])) else ""
        return max(at, str(last[0])) if last else at

    # -- writing -------------------------------------------------------------------------------------------------------

    def _insert(self, table: str, row: _Fields) -> int:
        """Insert a row, under its id where that follows those here: order by id is order by time. Return the id."""
        last = self._tx.execute(f"SELECT max(id) FROM {table}").fetchone()  # noqa: S608 - names of our own
        if last and last[0] is not None and row["id"] <= last[0]:
            row = {name: value for name, value in row.items() if name != "id"}
        self._tx.execute(*_insertion(table, row))
        return self._tx.last_insert_rowid()

    def _add_unless_there(self, table: str, row: _Fields) -> None:
        """Add a row of a small table; one that does not fit what is there (another schedule in force) is left out."""
        rest = {name: value for name, value in row.items() if name != "id"}
        same = " AND ".join(f"{name} IS ?" for name in rest)
        if self._tx.execute(f"SELECT 1 FROM {table} WHERE {same}", list(rest.values())).fetchone():  # noqa: S608
            return
        sql, values = _insertion(table, row if "id" not in row or self._is_free(table, row["id"]) else rest)
        self._tx.execute(f"{sql} ON CONFLICT DO NOTHING", values)

    def _is_free(self, table: str, row_id: int) -> bool:
        return self._tx.execute(f"SELECT 1 FROM {table} WHERE id = ?", (row_id,)).fetchone() is None  # noqa: S608

    def _keep_ids_growing(self) -> None:
        """Ids of new rows stay above the old ones: cursors of the API and references in chats keep their meaning."""
        for name, last in self._fetch("SELECT name, seq FROM sqlite_sequence"):
            self._tx.execute("UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = ?", (last, name))
            if not self._tx.changes():
                self._tx.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (name, last))

    # -- reading: an error makes the salvage incomplete and ends nothing ----------------------------------------------

    def _rows(self, table: str, ids_sql: str, *parameters: Any) -> Iterator[_Fields]:  # noqa: ANN401 - values of SQLite
        return self._rows_by_id(table, [row[0] for row in self._fetch(ids_sql, *parameters)])

    def _rows_by_id(self, table: str, ids: Iterable[int]) -> Iterator[_Fields]:
        """Yield the rows that can be read, each with the columns that both files have."""
        there = [str(row[1]) for row in self._fetch(f"PRAGMA table_info({table})")]
        here = {str(row[1]) for row in self._tx.execute(f"PRAGMA table_info({table})")}
        names = [name for name in there if name in here]
        for row_id in ids if names else ():
            for row in self._fetch(f"SELECT {', '.join(names)} FROM {table} WHERE rowid = ?", row_id):  # noqa: S608
                yield dict(zip(names, row, strict=True))

    def _fetch(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:  # noqa: ANN401 - values of SQLite
        found: list[tuple[Any, ...]] = []
        try:
            found.extend(self._source.execute(sql, parameters))
        except (apsw.Error, UnicodeDecodeError):
            self._is_complete = False
        return found


def _insertion(table: str, row: _Fields) -> tuple[str, list[Any]]:
    marks = ", ".join("?" * len(row))
    return f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", list(row.values())  # noqa: S608 - our own names
