"""`people_drills`: who is to be asked whether messages reach them, who was, and how fast they answered."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from monitoring.base.clock import from_text, instant_or_none, to_text
from monitoring.store.db.compatibility import has_table
from monitoring.store.db.database import Row, Tx, fetch

# How a drill ends. Accepted: by every destination, where there was no button.
ANSWERED, UNANSWERED, ACCEPTED, REFUSED, DROPPED = "answered", "unanswered", "accepted", "refused", "dropped"


@dataclass(frozen=True, slots=True)
class PersonDrill:
    """One drill of one person; `answer_by` is none where there is no button to answer with."""

    id: int
    person: str
    planned_by: str
    due_at: datetime
    asked_at: datetime | None = None
    answer_by: datetime | None = None
    alert_id: int | None = None
    answered_at: datetime | None = None
    ended_at: datetime | None = None
    outcome: str = ""

    @property
    def took(self) -> timedelta | None:
        """Return how long the answer took."""
        if self.asked_at is None or self.answered_at is None:
            return None
        return max(self.answered_at - self.asked_at, timedelta(0))


_SELECT = (
    "SELECT id, person, planned_by, due_at, asked_at, answer_by, alert_id, answered_at, ended_at, outcome "
    "FROM people_drills"
)


def plan(tx: Tx, person: str, planned_by: str, due_at: datetime) -> int:
    """Write that somebody is to be asked then; return the id."""
    tx.execute(
        "INSERT INTO people_drills (person, planned_by, due_at) VALUES (?, ?, ?)",
        (person, planned_by, to_text(due_at)),
    )
    return tx.last_insert_rowid()


def mark_asked(tx: Tx, drill_id: int, alert_id: int, now: datetime, answer_by: datetime | None) -> None:
    tx.execute(
        "UPDATE people_drills SET asked_at = ?, alert_id = ?, answer_by = ? WHERE id = ?",
        (to_text(now), alert_id, to_text(answer_by) if answer_by else None, drill_id),
    )


def mark_answered(tx: Tx, drill_id: int, now: datetime) -> bool:
    """Write an answer, once; it counts after the end too, since a late one shows that messages arrive."""
    tx.execute(
        "UPDATE people_drills SET answered_at = ?, ended_at = coalesce(ended_at, ?), outcome = ? "
        "WHERE id = ? AND answered_at IS NULL",
        (to_text(now), to_text(now), ANSWERED, drill_id),
    )
    return tx.changes() == 1


def has_answered(tx: Tx, person: str, since: datetime) -> bool:
    """Return whether somebody answered any drill since."""
    return bool(_found(tx, "WHERE person = ? AND answered_at >= ? LIMIT 1", person, to_text(since)))


def end(tx: Tx, drill_id: int, outcome: str, now: datetime) -> None:
    """End one that is open."""
    tx.execute(
        "UPDATE people_drills SET ended_at = ?, outcome = ? WHERE id = ? AND ended_at IS NULL",
        (to_text(now), outcome, drill_id),
    )


def open_ones(tx: Tx) -> list[PersonDrill]:
    """Return those that are planned or wait for their end, the one that was due first is first."""
    return _found(tx, "WHERE ended_at IS NULL ORDER BY due_at, id")


def of_alert(tx: Tx, alert_id: int) -> PersonDrill | None:
    found = _found(tx, "WHERE alert_id = ?", alert_id)
    return found[0] if found else None


# A seek for each person: the drills of all months are not read.
_NEWEST = """
WITH RECURSIVE each(person) AS (SELECT min(person) FROM people_drills UNION ALL
    SELECT (SELECT min(d.person) FROM people_drills d WHERE d.person > each.person) FROM each WHERE person IS NOT NULL)
SELECT (SELECT d.id FROM people_drills d WHERE d.person = each.person AND d.asked_at IS NOT NULL
    AND d.outcome <> 'dropped' ORDER BY d.id DESC LIMIT 1) FROM each
"""


def last_of_each(tx: Tx) -> dict[str, PersonDrill]:
    """Return the newest drill of each person who was asked."""
    return {each.person: each for each in _found(tx, f"WHERE id IN ({_NEWEST}) ORDER BY person")}


def between(tx: Tx, since: datetime, until: datetime) -> list[PersonDrill]:
    """Return those that were asked in [since, until), the oldest first."""
    return _found(tx, "WHERE asked_at >= ? AND asked_at < ? ORDER BY asked_at, id", to_text(since), to_text(until))


def accepted(tx: Tx, alert_id: int) -> dict[str, timedelta | None]:
    """Return each destination of a drill, and after how long it accepted the message; none where it did not yet."""
    found = fetch(
        tx,
        "SELECT destination, created_at, CASE status WHEN 'delivered' THEN delivered_at END FROM deliveries "
        "WHERE alert_id = ? AND destination <> 'notify' AND status <> 'not_attempted' ORDER BY id",
        (alert_id,),
    )
    return {
        destination: max(at - from_text(created_at), timedelta(0)) if (at := instant_or_none(delivered_at)) else None
        for destination, created_at, delivered_at in found
    }


def had_button(tx: Tx, alert_id: int) -> bool:
    """Return whether the message was sent with its button."""
    if not has_table(tx, "message_buttons"):
        return False
    sql = "SELECT 1 FROM message_buttons m JOIN deliveries d ON d.id = m.delivery_id WHERE d.alert_id = ? LIMIT 1"
    return bool(fetch(tx, sql, (alert_id,)))


def _found(tx: Tx, rest: str, *values: str | int) -> list[PersonDrill]:
    if not has_table(tx, "people_drills"):
        return []
    return [_drill(row) for row in fetch(tx, f"{_SELECT} {rest}", values)]


def _drill(row: Row) -> PersonDrill:
    drill_id, person, planned_by, due_at, asked_at, answer_by, alert_id, answered_at, ended_at, outcome = row
    return PersonDrill(
        drill_id, person, planned_by, from_text(due_at), instant_or_none(asked_at), instant_or_none(answer_by),
        alert_id, instant_or_none(answered_at), instant_or_none(ended_at), outcome,
    )  # fmt: skip
