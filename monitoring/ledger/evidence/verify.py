"""Whether what was recorded of a day is still what it was when the day was reported."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from monitoring.ledger.evidence.digest import VERSION, digest_of, hash_rows
from monitoring.ledger.evidence.numbers import start_of
from monitoring.store.db.database import Tx
from monitoring.store.evidence import closed_days, covered
from monitoring.store.evidence.closed_days import ClosedDay, ClosedRows
from monitoring.store.evidence.covered import COVERED, CoveredTable
from monitoring.store.maintenance.prune import KEEP_FOR
from monitoring.store.tables import alerts

_DAY = timedelta(days=1)
_LONGEST_RUN = timedelta(days=2)  # ours: a task may be so much newer than its run, with which it is pruned
_MOST_IDS = 5


class DigestResult(StrEnum):
    """What came of it."""

    VERIFIED = "verified"
    PRUNED = "pruned"
    DIFFERS = "differs"
    RESTORED = "restored"


@dataclass(frozen=True, slots=True)
class RowDifference:
    """Rows of one table that are not as they were: `how` is changed, missing or added."""

    table: CoveredTable
    how: str
    ids: tuple[int, ...]

    def __str__(self) -> str:
        shown = ", ".join(map(str, self.ids[:_MOST_IDS])) + (", …" if len(self.ids) > _MOST_IDS else "")
        return f"{self.table.counted(len(self.ids))} {self.how}: {shown}"


@dataclass(frozen=True, slots=True)
class DigestCheck:
    """A day held against its digest. `differences` are rows, `broken` what is wrong with the record of the day."""

    closed: ClosedDay
    rows: int
    differences: tuple[RowDifference, ...] = ()
    broken: tuple[str, ...] = ()
    pruned: int = 0
    later: tuple[str, ...] = ()
    restored_at: datetime | None = None

    @property
    def result(self) -> DigestResult:
        if self.broken or (self.differences and self.restored_at is None):
            return DigestResult.DIFFERS
        if self.differences:
            return DigestResult.RESTORED
        return DigestResult.PRUNED if self.pruned else DigestResult.VERIFIED


def verify(
    tx: Tx, closed: ClosedDay, now: datetime, restored_at: datetime | None, *, with_later: bool = False
) -> DigestCheck:
    """Compute the digest of a day from the rows as they are now, and compare.

    `restored_at` is when a backup was put back last: what was recorded between the backup and then is gone.
    `with_later` also counts what was recorded of the day after it was closed.
    """
    stored = closed_days.rows_of(tx, closed.id)
    before = closed_days.before(tx, closed.id)
    carried = closed_days.rows_of(tx, before.id) if before else {}
    # A release before this one forgets without a note.
    age = max(closed_days.pruned_before(tx) or now - KEEP_FOR, now - KEEP_FOR) - start_of(closed.since)
    differences: list[RowDifference] = []
    pruned = 0
    for table in COVERED:
        if (record := stored.get(table.name)) is None:
            continue
        open_before = carried[table.name].open_ids if table.name in carried else ()
        gone, found = _compare(tx, table, record, open_before, age)
        pruned += gone
        differences += found
    restored_at = restored_at if restored_at and restored_at > closed.closed_at else None
    may_be_gone = age > -_LONGEST_RUN or restored_at is not None
    return DigestCheck(
        closed,
        sum(each.rows for each in stored.values()),
        tuple(differences),
        tuple(_broken(tx, closed, before, list(stored.values()), may_be_gone=may_be_gone)),
        pruned,
        tuple(_later(tx, closed, stored)) if with_later else (),
        restored_at,
    )


def _compare(
    tx: Tx, table: CoveredTable, record: ClosedRows, carried: tuple[int, ...], age: timedelta
) -> tuple[int, list[RowDifference]]:
    """Return how many rows were pruned, and what differs. `age` is by how much what is pruned is newer than the day."""
    if record.packed is None:
        return record.rows, []
    covers = (tx, table, record.after_id, record.last_id, carried, record.open_ids)
    if hash_rows(*covers, by_row=False).hash == record.hash:
        return 0, []
    before, after = record.row_hashes, hash_rows(*covers).row_hashes
    missing = [row_id for row_id in before if row_id not in after]
    pruned = [
        row_id for row_id in missing if age > -(_LONGEST_RUN if row_id > record.after_id else covered.NEVER_ENDED)
    ]
    found = {
        "changed": [row_id for row_id, value in after.items() if row_id in before and before[row_id] != value],
        "added": [row_id for row_id in after if row_id not in before],
        "missing": [row_id for row_id in missing if row_id not in pruned],
    }
    differences = [RowDifference(table, how, tuple(ids)) for how, ids in found.items() if ids]
    if not differences and not missing:
        # Every row is as its short hash says: it is what is kept of the day that was changed.
        differences = [RowDifference(table, "hashed differently", tuple(after))]
    return len(pruned), differences


def _broken(
    tx: Tx, closed: ClosedDay, before: ClosedDay | None, stored: list[ClosedRows], *, may_be_gone: bool
) -> Iterator[str]:
    if closed.version > VERSION:
        yield f"it was written by a later release (version {closed.version}): this one cannot verify it"
        return
    if digest_of(closed, stored) != closed.digest:
        yield "the record of the day itself was changed: it does not give the digest that is stored"
    if closed.previous != (before.digest if before else ""):
        yield "the day before it was changed or deleted: this one was built on another digest"
    following = closed_days.after(tx, closed.id)
    if following is not None and following.previous != closed.digest:
        yield f"{following.day} was built on another digest of this day"
    if closed.alert_id is None:
        return
    message = alerts.get(tx, closed.alert_id)
    if message is None:
        if not may_be_gone:
            yield f"alert {closed.alert_id}, which carries the digest, is missing"
    elif closed.digest not in message.message:
        yield f"alert {closed.alert_id} carries another digest than the one that is stored"


def _later(tx: Tx, closed: ClosedDay, stored: dict[str, ClosedRows]) -> Iterator[str]:
    for table in COVERED:
        record = stored.get(table.name)
        if record is None:
            continue
        count = covered.dated_later(tx, table, record.last_id, start_of(closed.since), start_of(closed.day + _DAY))
        if count:
            yield table.counted(count)


def not_reported(tx: Tx, day: date, now: datetime) -> str:
    """Return why a day has no digest; nothing where it should have one."""
    if start_of(day + _DAY) > now:
        return f"{day} is not over yet: it is reported on the day after it"
    first, newest = closed_days.oldest(tx), closed_days.newest(tx)
    if first is None or newest is None:
        return "no day was reported yet: the first one is reported on the day after the first run of this release"
    if day <= first.day:
        return f"{day} has no digest: days are reported from {first.day + _DAY} on"
    if day > newest.day:
        return f"{day} is not reported yet: the next run after the hour of `daily_report` does it"
    return ""
