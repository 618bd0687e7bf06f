"""`acknowledgements`: who has which incident. What it holds back, and when it ends, is in the row."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from monitoring.base.clock import from_text, to_text
from monitoring.conditions.condition import Condition, ConditionKey
from monitoring.conditions.severity import Severity
from monitoring.conditions.silence import FROM_CHAT
from monitoring.store.db.compatibility import has_table
from monitoring.store.db.database import Row, Tx, fetch

LONGEST_ACKNOWLEDGED = timedelta(hours=24)
_STEP_BACK = timedelta(hours=1)  # ours: a clock that is set right after a tap takes the incident from nobody
_SELECT = (
    "SELECT id, monitor, check_name, chain, subject, episode, severity, by, note, at, ends_at, ended_by, held_back "
    "FROM acknowledgements"
)
_KEY = "monitor = ? AND check_name = ? AND chain = ? AND subject = ?"


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """Somebody has an incident: who, since when, and until when at most. `held_back` counts reminders.

    `episode` is the begin of the incident, `severity` the worst that was reported of it by then.
    """

    id: int
    key: ConditionKey
    episode: str
    severity: Severity
    by: str
    note: str
    at: datetime
    ends_at: datetime
    ended_by: str = ""
    held_back: int = 0

    @property
    def words(self) -> str:
        """Return who has it and until when, as people read it."""
        is_from_chat = self.note == FROM_CHAT
        who, note = (f"{self.by}, {FROM_CHAT},", "") if is_from_chat else (self.by, self.note and f": {self.note}")
        return f"acknowledged by {who} until {self.ends_at:%Y-%m-%d %H:%M} UTC{note}"

    def as_json(self) -> dict[str, object]:
        """Return what the API shows of it."""
        return {
            "by": self.by, "note": self.note, "at": to_text(self.at), "ends_at": to_text(self.ends_at),
            "held_back": self.held_back,
        }  # fmt: skip

    def why_over(self, condition: Condition | None, now: datetime) -> str:
        """Return why it holds no more; nothing while it does."""
        if condition is None or not condition.is_incident(now) or episode_of(condition) != self.episode:
            return "the incident is over"
        if condition.worst > self.severity:
            return f"it is {condition.worst.name} now"
        return "its time is over" if self.is_out_of_time(now) else ""

    def is_out_of_time(self, now: datetime) -> bool:
        """Return whether its time is over; one that would end later than any can is of a clock that was ahead."""
        return not now < self.ends_at <= now + LONGEST_ACKNOWLEDGED + _STEP_BACK


def episode_of(condition: Condition) -> str:
    """Return when an incident began, as the store writes it."""
    began = condition.fired_at if condition.is_firing else condition.clear_since
    return to_text(began) if began else ""


def put(tx: Tx, condition: Condition, *, by: str, note: str, now: datetime, ends_at: datetime) -> Acknowledgement:
    """Write that somebody has an incident; who had it before has it no more."""
    values = tuple(condition.key.named.values())
    tx.execute(
        f"UPDATE acknowledgements SET ended_at = ?, ended_by = ? WHERE {_KEY} AND ended_at IS NULL",  # noqa: S608 - ours
        (to_text(now), by, *values),
    )
    worst, episode = max(condition.worst, condition.severity), episode_of(condition)
    tx.execute(
        "INSERT INTO acknowledgements (monitor, check_name, chain, subject, episode, severity, by, note, at, ends_at) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (*values, episode, worst.name, by, note, to_text(now), to_text(ends_at)),
    )
    return Acknowledgement(tx.last_insert_rowid(), condition.key, episode, worst, by, note, now, ends_at)


def of(tx: Tx, condition: Condition, now: datetime) -> Acknowledgement | None:
    """Return who has an incident; None where nobody has it any more."""
    if not has_table(tx, "acknowledgements"):
        return None
    found = fetch(tx, f"{_SELECT} WHERE {_KEY} AND ended_at IS NULL ORDER BY id DESC", (*condition.key.named.values(),))
    held = (_acknowledgement(row) for row in found)
    return next((each for each in held if not each.why_over(condition, now)), None)


def first_at(tx: Tx, condition: Condition, by: str, note: str) -> datetime | None:
    """Return when somebody first had an incident, as bad as it is now, with this note; None if never."""
    worst, episode = max(condition.worst, condition.severity), episode_of(condition)
    [(first,)] = fetch(
        tx,
        f"SELECT min(at) FROM acknowledgements WHERE {_KEY} AND episode = ? AND severity = ? AND by = ? AND note = ?",  # noqa: S608 - ours
        (*condition.key.named.values(), episode, worst.name, by, note),
    )
    return from_text(first) if first else None


def open_ones(tx: Tx) -> list[Acknowledgement]:
    """Return those whose end is not written."""
    return [_acknowledgement(row) for row in fetch(tx, f"{_SELECT} WHERE ended_at IS NULL ORDER BY id")]


def end(tx: Tx, acknowledgement_id: int, by: str, now: datetime) -> None:
    """Write that one is over, by whom or why."""
    tx.execute(
        "UPDATE acknowledgements SET ended_at = ?, ended_by = ? WHERE id = ? AND ended_at IS NULL",
        (to_text(now), by, acknowledgement_id),
    )


def count_one(tx: Tx, acknowledgement_id: int) -> None:
    """Count one more reminder that was not sent."""
    tx.execute("UPDATE acknowledgements SET held_back = held_back + 1 WHERE id = ?", (acknowledgement_id,))


def within(tx: Tx, since: datetime, until: datetime) -> list[Acknowledgement]:
    """Return those of which a part lies within [since, until), the oldest first."""
    if not has_table(tx, "acknowledgements"):
        return []
    found = fetch(
        tx,
        # With a plus, so that the index of ends is used and not the order of the table, which grows.
        f"{_SELECT} WHERE at < ? AND ends_at > ? AND coalesce(ended_at, ends_at) > ? ORDER BY +id",
        (to_text(until), to_text(since), to_text(since)),
    )
    return [_acknowledgement(row) for row in found]


def _acknowledgement(row: Row) -> Acknowledgement:
    number, monitor, check, chain, subject, episode, severity, by, note, at, ends_at, ended_by, held_back = row
    return Acknowledgement(
        number, ConditionKey.of_texts(monitor, check, chain, subject), episode, Severity[severity], by, note,
        from_text(at), from_text(ends_at), ended_by, held_back,
    )  # fmt: skip
