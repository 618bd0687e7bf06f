"""What the rows of runs know of the wall clock, and taking back what one that was ahead wrote.

A run names its process, so each row also says how long the host had been up. Rows are in the order of their ids,
whatever the clock showed. Nothing here decides what the time is: that is the ledger's.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from monitoring.base.clock import from_text, to_text
from monitoring.store.db.database import Database, Tx, fetch


@dataclass(frozen=True, slots=True)
class RecordedRun:
    """One run as it was recorded: when it started by the clock of the time, and its process."""

    id: int
    started_at: datetime
    process: str
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks about the clock: its own row, and those that the same tick started, are no second opinion."""

    process: str = ""
    tick_at: datetime | None = None


NOBODY = Asker()

_COLUMNS = "id, started_at, process, ended_at"
_RECORDED = f"SELECT {_COLUMNS} FROM runs WHERE process IS NOT NULL"  # noqa: S608 - names of our own
# `process` is pid:ticks:boot, and a cast to INTEGER reads the digits a text begins with.
_BOOT = "substr(substr({0}, instr({0}, ':') + 1), instr(substr({0}, instr({0}, ':') + 1), ':') + 1)"
_BOOTED = "(unixepoch({1}, 'subsec') - CAST(substr({0}, instr({0}, ':') + 1) AS INTEGER) / :ticks_per_s)"
_IN_SPAN = "SELECT id FROM runs WHERE process IS NOT NULL AND started_at >= :since AND started_at < :until"
# Each run of the span with the one before it, and with the one after it where that is not just as well of the span.
_CHANGES = f"""
WITH span AS ({_IN_SPAN}),
pairs AS (
    SELECT (SELECT id FROM runs WHERE process IS NOT NULL AND id < span.id ORDER BY id DESC LIMIT 1) AS a, id AS b
    FROM span
    UNION ALL
    SELECT id, (SELECT id FROM runs WHERE process IS NOT NULL AND id > span.id ORDER BY id LIMIT 1)
    FROM span WHERE NOT EXISTS (
        SELECT 1 FROM runs n
        WHERE n.id = span.id + 1 AND process IS NOT NULL AND started_at >= :since AND started_at < :until))
SELECT DISTINCT e.id, e.started_at, e.process, e.ended_at, f.id, f.started_at, f.process, f.ended_at
FROM pairs JOIN runs e ON e.id = a JOIN runs f ON f.id = b
WHERE {_BOOT.format("e.process")} <> {_BOOT.format("f.process")}
OR abs({_BOOTED.format("e.process", "e.started_at")} - {_BOOTED.format("f.process", "f.started_at")}) >= :least_s
ORDER BY f.id
"""  # noqa: S608 - names of our own
_NOTE = "by a clock that was set back since"
_GIVE_UP = (
    "UPDATE runs SET reason = CASE reason WHEN '' THEN '' ELSE reason || '; ' END || 'ran for the tick of ' || "
    "substr(tick_at, 1, 10) || ' ' || substr(tick_at, 12, 5) || ' ' || :note, tick_at = NULL WHERE"
)


def newest(database: Database, asker: Asker) -> RecordedRun | None:
    """Return the run recorded last, of another process than the asking one and of another tick."""
    values = {"me": asker.process, "tick": to_text(asker.tick_at) if asker.tick_at else ""}
    row = database.row(f"{_RECORDED} AND process <> :me AND tick_at IS NOT :tick ORDER BY id DESC LIMIT 1", values)
    return _recorded(*row) if row else None


def newest_alert_at(database: Database) -> datetime | None:
    """Return when the alert stored last was created, if what the replaced system left there is an instant."""
    row = database.row("SELECT created_at FROM alert_events ORDER BY id DESC LIMIT 1")
    with suppress(ValueError):
        return from_text(row[0]) if row and row[0] else None
    return None


def boot_changes(
    database: Database, since: datetime, until: datetime, *, ticks_per_s: float, least_s: float
) -> list[tuple[RecordedRun, RecordedRun]]:
    """Return each run and the one recorded before it that name another boot, or one `least_s` earlier or later.

    At least one of the two started in [since, until).
    """
    values = {"since": to_text(since), "until": to_text(until), "ticks_per_s": float(ticks_per_s), "least_s": least_s}
    return [(_recorded(*row[:4]), _recorded(*row[4:])) for row in database.rows(_CHANGES, values)]


def is_any_ahead(database: Database, before_id: int, after: datetime) -> bool:
    """Return whether what `take_back` takes back was dated after `after` before a run was recorded."""
    at = {"at": to_text(after), "id": before_id}
    found = database.row(
        "SELECT 1 WHERE EXISTS (SELECT 1 FROM runs WHERE tick_at > :at AND id < :id AND process IS NULL) "
        "OR EXISTS (SELECT 1 FROM schedules WHERE max(effective_from, coalesce(effective_until, '')) > :at) "
        "OR EXISTS (SELECT 1 FROM schedules WHERE reconciled_to > :at) "
        "OR EXISTS (SELECT 1 FROM scheduler_starts WHERE started_at > :at)",
        at,
    )
    return found is not None or any(
        database.row(f"SELECT 1 FROM {table} WHERE starts_at > :at AND ends_at > starts_at LIMIT 1", at)  # noqa: S608
        for table in database.read(_silences)
    )


def _silences(tx: Tx) -> list[str]:
    """Return the tables of silences: a reader may meet the schema of the release before."""
    names = "name IN ('silences', 'narrow_silences')"
    return [row[0] for row in fetch(tx, f"SELECT name FROM sqlite_master WHERE type = 'table' AND {names}")]  # noqa: S608


def is_any_run_ahead(database: Database, before_id: int, after: datetime) -> bool:
    """Return whether a run recorded before another one answers a tick after `after`."""
    found = database.row(
        "SELECT 1 FROM runs WHERE tick_at > ? AND id < ? AND process IS NOT NULL LIMIT 1", (to_text(after), before_id)
    )
    return found is not None


def newest_dated(
    database: Database, before_id: int, *, ahead: bool, boot_id: str, booted_at: datetime, ticks_per_s: float
) -> RecordedRun | None:
    """Return the newest run before another one by a clock that was ahead (or was not) of one that dates the boot so."""
    row = database.row(
        f"{_RECORDED} AND id < :id AND :ahead = CASE {_BOOT.format('process')} "
        f"WHEN :boot THEN {_BOOTED.format('process', 'started_at')} - unixepoch(:booted, 'subsec') >= 60 "
        "ELSE started_at > :booted END ORDER BY id DESC LIMIT 1",
        {
            "id": before_id, "ahead": int(ahead), "boot": boot_id, "booted": to_text(booted_at),
            "ticks_per_s": float(ticks_per_s),
        },
    )  # fmt: skip
    return _recorded(*row) if row else None


def take_back(tx: Tx, before_id: int, after: datetime, to: datetime, *, runs_since: int | None = None) -> None:
    """Take back what was recorded before a run and is dated after `after`.

    1. Rows of ticks that nobody ran: what is still to come cannot have been missed.
    2. Schedules are in force and accounted for only up to `to`, and schedulers have started by then.
    3. A silence that begins later would hold back alerts of a time that nobody meant.
    4. The ticks of runs recorded after the one of id `runs_since`, if given.
    """
    at = {"after": to_text(after), "to": to_text(to), "id": before_id, "since": runs_since or 0}
    tx.execute("DELETE FROM runs WHERE tick_at > :after AND id < :id AND id > :since AND process IS NULL", at)
    for column in ("effective_from", "effective_until", "reconciled_to"):
        tx.execute(f"UPDATE schedules SET {column} = :to WHERE {column} > :after", at)  # noqa: S608 - names of our own
    tx.execute(
        "UPDATE scheduler_starts SET started_at = :to, booted_at = min(booted_at, :to) WHERE started_at > :after", at
    )
    for table in _silences(tx):
        tx.execute(f"UPDATE {table} SET ends_at = starts_at WHERE starts_at > :after", at)  # noqa: S608 - as above
    if runs_since is not None:
        tx.execute(f"{_GIVE_UP} tick_at > :after AND id < :id AND id > :since", {"note": _NOTE, **at})


def answered(database: Database, profile: str, after: datetime, until: datetime) -> list[tuple[datetime, RecordedRun]]:
    """Return every tick in (after, until] that a run answers, with that run."""
    found = database.rows(
        f"SELECT tick_at, {_COLUMNS} FROM runs "  # noqa: S608 - names of our own
        "WHERE profile = ? AND tick_at > ? AND tick_at <= ? AND process IS NOT NULL",
        (profile, to_text(after), to_text(until)),
    )
    return [(from_text(tick), _recorded(*row)) for tick, *row in found]


def give_up_tick(tx: Tx, profile: str, tick_at: datetime) -> None:
    """Let another row have the tick of a run that started by a clock that was ahead."""
    values = {"note": _NOTE, "profile": profile, "tick": to_text(tick_at)}
    tx.execute(f"{_GIVE_UP} profile = :profile AND tick_at = :tick", values)


def _recorded(run_id: int, started_at: str, process: str, ended_at: str | None) -> RecordedRun:
    return RecordedRun(run_id, from_text(started_at), process, from_text(ended_at) if ended_at else None)
