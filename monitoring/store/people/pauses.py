"""`pauses`: profiles, tasks and checks that people stopped for a while. Every pause ends; that is a column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from monitoring.base.clock import from_text, to_text
from monitoring.conditions.condition import ConditionKey
from monitoring.conditions.silence import matches
from monitoring.store.db.compatibility import has_table
from monitoring.store.db.database import Database, Row, Tx, fetch


class PauseKind(StrEnum):
    """What a pause stops."""

    PROFILE = "profile"
    TASK = "task"
    CHECK = "check"


@dataclass(frozen=True, slots=True)
class Pause:
    """One pause; the name of a task is `profile/task`, of a check `monitor/key`, where `*` stands for anything."""

    id: int
    kind: PauseKind
    name: str
    starts_at: datetime
    ends_at: datetime
    reason: str
    created_by: str
    ended_by: str = ""
    held_back: int = 0

    @property
    def what(self) -> str:
        return f"{self.kind.value} {self.name}"

    def why(self) -> str:
        """Return the reason that a row gets: `paused by ana until 2026-12-01 08:00 UTC: upgrade`."""
        return f"paused by {self.created_by} until {self.ends_at:%Y-%m-%d %H:%M} UTC: {self.reason}"

    def covers_check(self, key: ConditionKey) -> bool:
        monitor, _, pattern = self.name.partition("/")
        return self.kind is PauseKind.CHECK and monitor == key.monitor and matches(pattern or "*", key.text)


_SELECT = "SELECT id, kind, name, starts_at, ends_at, reason, created_by, ended_by, held_back FROM pauses"


def add(tx: Tx, kind: PauseKind, name: str, *, now: datetime, ends_at: datetime, reason: str, created_by: str) -> Pause:
    tx.execute(
        "INSERT INTO pauses (kind, name, starts_at, ends_at, reason, created_by) VALUES (?, ?, ?, ?, ?, ?)",
        (kind.value, name, to_text(now), to_text(ends_at), reason, created_by),
    )
    return Pause(tx.last_insert_rowid(), kind, name, now, ends_at, reason, created_by)


def active(tx: Tx, now: datetime) -> list[Pause]:
    """Return the pauses that hold now, the one that ends last first."""
    if not has_table(tx, "pauses"):
        return []
    at = to_text(now)
    found = fetch(tx, f"{_SELECT} WHERE ends_at > ? AND starts_at <= ? ORDER BY ends_at DESC, id", (at, at))
    return [_pause(row) for row in found]


def between(tx: Tx, since: datetime, until: datetime) -> list[Pause]:
    """Return the pauses of which a part lies within [since, until), the oldest first."""
    if not has_table(tx, "pauses"):
        return []
    # With a plus, so that the index of ends is used and not the order of the table, which grows.
    found = fetch(tx, f"{_SELECT} WHERE ends_at > ? AND starts_at < ? ORDER BY +id", (to_text(since), to_text(until)))
    return [_pause(row) for row in found]


def holding(found: Sequence[Pause], kind: PauseKind, name: str) -> Pause | None:
    """Return the pause of a profile or task among those that hold."""
    return next((each for each in found if each.kind is kind and each.name == name), None)


def end(tx: Tx, pause_id: int, who: str, now: datetime) -> Pause | None:
    """End a pause now, and count its end as announced; None if there is none of this id that still holds."""
    at = to_text(now)
    tx.execute(
        "UPDATE pauses SET ends_at = ?, ended_by = ?, over_said = 1 WHERE id = ? AND ends_at > ?",
        (at, who, pause_id, at),
    )
    found = tx.execute(f"{_SELECT} WHERE id = ?", (pause_id,)).fetchone() if tx.changes() else None
    return _pause(found) if found else None


def is_any_unsaid(tx: Tx, now: datetime) -> bool:
    """Return whether the time of a pause is up and its end is not announced yet."""
    if not has_table(tx, "pauses"):
        return False
    found = tx.execute("SELECT 1 FROM pauses WHERE ends_at <= ? AND over_said = 0 LIMIT 1", (to_text(now),))
    return found.fetchone() is not None


def ended_unsaid(tx: Tx, now: datetime) -> list[Pause]:
    """Return the pauses whose time is up and whose end was not announced; they count as announced from now on."""
    found = [
        _pause(row) for row in fetch(tx, f"{_SELECT} WHERE ends_at <= ? AND over_said = 0 ORDER BY id", (to_text(now),))
    ]
    for each in found:
        tx.execute("UPDATE pauses SET over_said = 1 WHERE id = ?", (each.id,))
    return found


def count(tx: Tx, pause_id: int, held_back: int = 1) -> None:
    """Count what a pause held back."""
    tx.execute("UPDATE pauses SET held_back = held_back + ? WHERE id = ?", (held_back, pause_id))


def newest(database: Database, limit: int) -> list[Pause]:
    """Return the newest pauses, those that have ended among them."""
    if not database.read(lambda tx: has_table(tx, "pauses")):
        return []
    return [_pause(row) for row in database.rows(f"{_SELECT} ORDER BY id DESC LIMIT ?", (limit,))]


def _pause(row: Row) -> Pause:
    pause_id, kind, name, starts_at, ends_at, reason, created_by, ended_by, held_back = row
    return Pause(
        pause_id, PauseKind(kind), name, from_text(starts_at), from_text(ends_at), reason, created_by, ended_by,
        held_back,
    )  # fmt: skip
