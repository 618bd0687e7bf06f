"""What a restored database takes over from the one it replaces, for `restoring` alone.

State and history are the backup's, what checks know of chains and when they were blind among it: that is what was
asked for. Which alerts were sent to people and destinations, and which were not, is a fact that
no backup undoes: so it comes along.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from monitoring.base.clock import to_text
from monitoring.store.db.database import Database, Row, Tx, fetch
from monitoring.store.tables import deliveries, runs, schedules
from monitoring.store.tables.schedules import Schedule

_OPEN = "status IN ('pending', 'skipped_missing_credentials')"
# The same alert: ids alone are not enough, since two databases may have counted from one.
_SAME = "l.id = a.id AND l.created_at = a.created_at AND l.message = a.message"
# Leases and folding stay behind: the process that sends them next decides again.
_OF_THE_SENDING = ("id", "alert_id", "lease_owner", "lease_until", "folded_into")
_UNENDED = "it was still going when the backup was made that this database was restored from"


@dataclass(frozen=True, slots=True)
class CarriedOver:
    """Alerts that only the replaced database still had to deliver, and those it had delivered since the backup."""

    undelivered: int = 0
    delivered_since: int = 0


def carry_over(staged: Database, live: Database, now: datetime, is_alive: Callable[[str], bool]) -> CarriedOver:
    """Bring what must survive from `live` into `staged`, in one transaction; `live` is only read.

    1. Ids go on growing: cursors of the API and references in chats keep their meaning.
    2. What the backup would send and was sent since then, or given up, is not sent again.
    3. What waits in `live` and is not in the backup waits in `staged`.
    4. Silences and pauses that hold, calls to machines, moved chats, and the schedule in force are as they are now.
    5. Days that were reported stay so, with their digests, and who answered a drill has answered it.
       What people wrote to the bot took effect once, and does so no second time.
    6. Ticks up to now whose rows the backup lacks are unknown, not missed; runs it caught going are closed.
    """
    staged.connection.execute("ATTACH DATABASE ? AS live", (str(live.path),))
    try:
        with staged.write() as tx:
            _keep_ids_growing(tx)
            settled = _take_known_ends(tx)
            waiting = _take_waiting(tx)
            _take_silences(tx, now, "silences", "id")
            _take_silences(tx, now, "narrow_silences")
            _take_pauses(tx, now)
            # Who had what by then may have given it back since: reminders that come again harm nobody.
            tx.execute(
                "UPDATE main.acknowledgements SET ended_at = ?, ended_by = 'a backup was put back' "
                "WHERE ended_at IS NULL",
                (to_text(now),),
            )
            newer = "coalesce((SELECT called_at FROM main.webhook_calls w WHERE w.identity = l.identity), '')"
            _take_rows(tx, "webhook_calls", f"l.called_at > {newer}")
            _take_rows(tx, "chat_migrations")
            _take_rows(tx, "closed_days")
            _take_rows(tx, "closed_rows")
            _take_rows(tx, "people_drills")
            _take_rows(tx, "handled_updates")
            _take_schedules(tx, now)
            _close_running(tx, is_alive, now)
    finally:
        staged.connection.execute("DETACH DATABASE live")
    return CarriedOver(waiting, settled)


def _shared_columns(tx: Tx, table: str, *but: str) -> list[str]:
    """Return what both files have of a table, whichever of them a newer release wrote, in a steady order."""
    here, there = (
        [str(row[1]) for row in tx.execute(f"PRAGMA {schema}.table_info({table})")] for schema in ("main", "live")
    )
    return [name for name in here if name in there and name not in but]


def _take_rows(tx: Tx, table: str, condition: str = "true") -> None:
    """Write the rows of `live` over those of the same key."""
    columns = _shared_columns(tx, table)
    if not columns:  # it is of a release that does not know them
        return
    names, values = ", ".join(columns), ", ".join(f"{name} = excluded.{name}" for name in columns)
    tx.execute(
        f"INSERT INTO main.{table} ({names}) SELECT {names} FROM live.{table} l WHERE {condition} "  # noqa: S608
        f"ON CONFLICT DO UPDATE SET {values}"
    )


def _keep_ids_growing(tx: Tx) -> None:
    for name, last in fetch(tx, "SELECT name, seq FROM live.sqlite_sequence"):
        tx.execute("UPDATE main.sqlite_sequence SET seq = max(seq, ?) WHERE name = ?", (last, name))
        if not tx.changes():
            tx.execute("INSERT INTO main.sqlite_sequence (name, seq) VALUES (?, ?)", (name, last))


def _take_known_ends(tx: Tx) -> int:
    """Replace the deliveries of each alert that waits in the backup and is known in `live`; count those that ended."""
    known = fetch(
        tx,
        "SELECT a.id FROM main.alert_events a JOIN live.alert_events l "  # noqa: S608 - names of our own
        f"ON {_SAME} WHERE a.id IN (SELECT alert_id FROM main.deliveries WHERE {_OPEN})",
    )
    for (alert_id,) in known:
        tx.execute("DELETE FROM main.deliveries WHERE alert_id = ?", (alert_id,))
        _copy_deliveries(tx, alert_id, alert_id)
    deliveries.refresh_alerts(tx, [row[0] for row in known])
    waits = {row[0] for row in fetch(tx, f"SELECT alert_id FROM main.deliveries WHERE {_OPEN}")}  # noqa: S608
    return sum(row[0] not in waits for row in known)


def _copy_deliveries(tx: Tx, live_id: int, new_id: int) -> None:
    names = ", ".join(_shared_columns(tx, "deliveries", *_OF_THE_SENDING))
    tx.execute(
        f"INSERT INTO main.deliveries (alert_id, {names}) "  # noqa: S608 - names of our own
        f"SELECT ?, {names} FROM live.deliveries WHERE alert_id = ? ORDER BY id",
        (new_id, live_id),
    )
    if columns := _shared_columns(tx, "sent_messages", "id", "delivery_id"):
        names, values = ", ".join(columns), ", ".join(f"m.{name}" for name in columns)
        tx.execute(
            f"INSERT OR IGNORE INTO main.sent_messages (delivery_id, {names}) SELECT d.id, {values} "  # noqa: S608
            "FROM live.deliveries l JOIN live.sent_messages m ON m.delivery_id = l.id "
            "JOIN main.deliveries d ON d.alert_id = ? AND d.destination = l.destination "
            "WHERE l.alert_id = ? ORDER BY m.id",
            (new_id, live_id),
        )


def _take_waiting(tx: Tx) -> int:
    """Copy every alert that waits in `live` and that the backup does not know; return how many."""
    names = _shared_columns(tx, "alert_events")
    found = fetch(
        tx,
        f"SELECT {', '.join(names)} FROM live.alert_events l "  # noqa: S608 - names of our own
        f"WHERE id IN (SELECT alert_id FROM live.deliveries WHERE {_OPEN}) "
        f"AND NOT EXISTS (SELECT 1 FROM main.alert_events a WHERE {_SAME}) ORDER BY id",
    )
    for row in found:
        _take_alert(tx, names, row)
    return len(found)


def _take_alert(tx: Tx, names: list[str], row: Row) -> None:
    """Keep the id where it follows the backup's: order by id is order by time. The run it names is not here."""
    alert = dict(zip(names, row, strict=True))
    last_id, last_at = fetch(tx, "SELECT coalesce(max(id), 0), coalesce(max(sort_at), '') FROM main.alert_events")[0]
    kept = {**alert, "sort_at": max(str(alert["sort_at"]), last_at), "run_id": None}
    if alert["id"] <= last_id:
        del kept["id"]
    marks = ", ".join("?" * len(kept))
    tx.execute(f"INSERT INTO main.alert_events ({', '.join(kept)}) VALUES ({marks})", list(kept.values()))  # noqa: S608
    new_id = tx.last_insert_rowid()
    _copy_deliveries(tx, alert["id"], new_id)
    if _shared_columns(tx, "alert_threads"):
        tx.execute(
            "INSERT INTO main.alert_threads (alert_id, thread) SELECT ?, thread FROM live.alert_threads "
            "WHERE alert_id = ? ORDER BY id",
            (new_id, alert["id"]),
        )


def _take_silences(tx: Tx, now: datetime, table: str, *but: str) -> None:
    """What people ended, prolonged or began since the backup holds; what they began elsewhere holds too."""
    names = ", ".join(_shared_columns(tx, table, *but))
    if not names:  # it is of a release that does not know them
        return
    same = "s.id = l.id AND s.protocol = l.protocol AND s.starts_at = l.starts_at"
    tx.execute(
        f"UPDATE main.{table} AS s SET (ends_at, silenced) = "  # noqa: S608 - names of our own
        f"(SELECT l.ends_at, l.silenced FROM live.{table} l WHERE {same}) "
        f"WHERE EXISTS (SELECT 1 FROM live.{table} l WHERE {same})"
    )
    # A narrow one whose id was given twice stays behind: what it covers is sent.
    tx.execute(
        f"INSERT OR IGNORE INTO main.{table} ({names}) SELECT {names} FROM live.{table} l "  # noqa: S608
        f"WHERE l.ends_at > ? AND NOT EXISTS (SELECT 1 FROM main.{table} s WHERE {same}) ORDER BY id",
        (to_text(now),),
    )


def _take_pauses(tx: Tx, now: datetime) -> None:
    """What was resumed since the backup goes on running, and what was paused stays so: both were announced."""
    names = ", ".join(_shared_columns(tx, "pauses"))
    if not names:  # it is of a release that does not know them
        return
    same = "s.id = l.id AND s.kind = l.kind AND s.name = l.name AND s.starts_at = l.starts_at"
    tx.execute(
        "UPDATE main.pauses AS s SET (ends_at, ended_by, held_back, over_said) = "  # noqa: S608 - names of our own
        f"(SELECT l.ends_at, l.ended_by, l.held_back, l.over_said FROM live.pauses l WHERE {same}) "
        f"WHERE EXISTS (SELECT 1 FROM live.pauses l WHERE {same})"
    )
    tx.execute(
        f"INSERT OR IGNORE INTO main.pauses ({names}) SELECT {names} FROM live.pauses l WHERE l.ends_at > ?",  # noqa: S608
        (to_text(now),),
    )


def _take_schedules(tx: Tx, now: datetime) -> None:
    names = "profile, cron, enabled, sync_before_run, catch_up, max_age_s"
    found = fetch(tx, f"SELECT {names} FROM live.schedules WHERE effective_until IS NULL")  # noqa: S608
    if found:
        wanted = [Schedule(row[0], row[1], bool(row[2]), bool(row[3]), row[4], row[5]) for row in found]
        schedules.record_in_force(tx, wanted, now, "restore")
    tx.execute("UPDATE main.schedules SET reconciled_to = max(reconciled_to, ?)", (to_text(now),))


def _close_running(tx: Tx, is_alive: Callable[[str], bool], now: datetime) -> None:
    """End a run as `live` knows that it ended; of another nobody can say."""
    ended = "l.id = r.id AND l.profile = r.profile AND l.started_at = r.started_at AND l.status <> 'running'"
    tx.execute(
        "UPDATE main.runs AS r SET (status, reason, ended_at, exit_code) = "  # noqa: S608 - names of our own
        f"(SELECT l.status, l.reason, l.ended_at, l.exit_code FROM live.runs l WHERE {ended}) "
        f"WHERE r.status = 'running' AND EXISTS (SELECT 1 FROM live.runs l WHERE {ended})"
    )
    for run_id, process in fetch(tx, "SELECT id, process FROM main.runs WHERE status = 'running'"):
        if not (process and is_alive(process)):
            runs.finish(tx, run_id, "aborted", exit_code=None, reason=_UNENDED, now=now)
    tx.execute(
        "UPDATE main.task_runs SET status = 'aborted', reason = ?, ended_at = ? WHERE status = 'running' "
        "AND run_id IN (SELECT id FROM main.runs WHERE status <> 'running')",
        (_UNENDED, to_text(now)),
    )
