"""Events of the scheduler: the runs it started, and its own starts. The ledger derives causes from them."""

from __future__ import annotations

from datetime import datetime

from monitoring.base.clock import from_text, to_text
from monitoring.store.db.database import Database, Tx

_RUN = (
    "SELECT id, started_at, process, profile, tick_at FROM runs "
    "WHERE trigger IN ('cron', 'embedded') AND process IS NOT NULL AND"
)
_START = "SELECT started_at, booted_at FROM scheduler_starts WHERE"


def runs_by_scheduler(
    database: Database, since: datetime, until: datetime, *, profile: str, beyond: int
) -> list[tuple[datetime, str, str, datetime | None]]:
    """Return (started_at, process, profile, the tick it answers) of what a scheduler ran in (since, until].

    With them come the last one before, the last three before of `profile`, and the first `beyond` after; all in the
    order in which they were recorded.
    """
    found = database.rows(
        f"SELECT * FROM ({_RUN} started_at <= :since ORDER BY started_at DESC LIMIT 1) "  # noqa: S608 - our own
        f"UNION SELECT * FROM ({_RUN} started_at <= :since AND profile = :profile ORDER BY started_at DESC LIMIT 3) "
        f"UNION {_RUN} started_at > :since AND started_at <= :until "
        f"UNION SELECT * FROM ({_RUN} started_at > :until ORDER BY started_at LIMIT :beyond) ORDER BY id",
        {"since": to_text(since), "until": to_text(until), "profile": profile, "beyond": beyond},
    )
    return [
        (from_text(started), process, name, from_text(tick) if tick else None)
        for _, started, process, name, tick in found
    ]


def scheduler_starts(
    database: Database, since: datetime, until: datetime, *, beyond: int
) -> list[tuple[datetime, datetime]]:
    """Return (started_at, booted_at) of every scheduler start in (since, until] and of the first `beyond` after."""
    found = database.rows(
        f"{_START} started_at > :since AND started_at <= :until "  # noqa: S608 - our own
        f"UNION ALL SELECT * FROM ({_START} started_at > :until ORDER BY started_at LIMIT :beyond)",
        {"since": to_text(since), "until": to_text(until), "beyond": beyond},
    )
    return [(from_text(started), from_text(booted)) for started, booted in found]


def record_scheduler_start(tx: Tx, *, started_at: datetime, booted_at: datetime, kind: str) -> None:
    """Record that a scheduler started: the evidence for why earlier ticks were missed."""
    tx.execute(
        "INSERT INTO scheduler_starts (started_at, booted_at, kind) VALUES (?, ?, ?)",
        (to_text(started_at), to_text(booted_at), kind),
    )


def newest_start(database: Database) -> tuple[datetime, datetime] | None:
    """Return (started_at, booted_at) of the newest scheduler start."""
    found = database.row("SELECT started_at, booted_at FROM scheduler_starts ORDER BY id DESC LIMIT 1")
    return (from_text(found[0]), from_text(found[1])) if found else None


def last_armed(database: Database, profile: str) -> tuple[tuple[datetime, str] | None, datetime | None]:
    """Return (started_at, process) of the profile's newest run by a scheduler, and the boot its newest start knew.

    With these a scheduler began to wait for the next tick of the profile.
    """
    run = database.row(f"{_RUN} profile = ? ORDER BY id DESC LIMIT 1", (profile,))
    start = newest_start(database)
    return (from_text(run[1]), run[2]) if run else None, start[1] if start else None


def last_served(database: Database) -> tuple[datetime, str] | None:
    """Return (started_at, profile) of the newest run that a scheduler started."""
    found = database.row(
        "SELECT started_at, profile FROM runs WHERE trigger IN ('cron', 'embedded') ORDER BY id DESC LIMIT 1"
    )
    return (from_text(found[0]), found[1]) if found else None
