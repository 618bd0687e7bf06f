"""`audit --digest`: whether the rows of a day are still what they were when it was reported."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta

from monitoring.base.clock import shortened, to_text
from monitoring.base.errors import UsageError
from monitoring.base.formatting import format_instant
from monitoring.ledger.evidence.verify import DigestCheck, DigestResult, not_reported, verify
from monitoring.store.db.database import Database
from monitoring.store.evidence import closed_days
from monitoring.store.queries import audit

_RESULTS = {
    DigestResult.VERIFIED: "VERIFIED: {rows} rows are as they were when the day was reported",
    DigestResult.PRUNED: "PRUNED: {pruned} of {rows} rows are too old to be kept; the rest is as it was",
    DigestResult.DIFFERS: "NOT VERIFIED: what is recorded of this day is not what it was",
    DigestResult.RESTORED: "NOT VERIFIED: a backup was put back {restored_at}: newer rows are in the replaced file",
}


def day_of(text: str, now: datetime) -> date:
    """Read a day as a person types it.

    Raises:
        UsageError: it is none.
    """
    if text == "yesterday":
        return now.date() - timedelta(days=1)
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{shortened(text)} is no day: write it as 2026-11-29 (UTC), or yesterday") from None


def check_day(database: Database, day: date, now: datetime) -> list[DigestCheck]:
    """Hold a day against its digest; two of them only where a clock was wrong.

    Raises:
        UsageError: the day has no digest, and should have none.
    """
    restored_at = audit.restored_at(database)
    with database.snapshot() as tx:
        found = [each for each in closed_days.of_day(tx, day) if each.alert_id is not None]
        if not found and (why := not_reported(tx, day, now)):
            raise UsageError(why)
        return [verify(tx, each, now, restored_at, with_later=True) for each in found]


def is_verified(found: Sequence[DigestCheck]) -> bool:
    """Return whether nothing is different; what was pruned is gone as it should be."""
    return bool(found) and all(each.result in (DigestResult.VERIFIED, DigestResult.PRUNED) for each in found)


def lines(day: date, found: Sequence[DigestCheck]) -> Iterator[str]:
    """Yield the result as a person reads it."""
    if not found:
        yield f"NOT VERIFIED: {day} has no digest any more: its record was deleted"
    for check in found:
        yield from _lines(check)


def _lines(check: DigestCheck) -> Iterator[str]:
    closed = check.closed
    since = f" (with the days since {closed.since})" if closed.since != closed.day else ""
    yield f"{closed.day}{since}: digest {closed.digest}"
    restored_at = format_instant(check.restored_at) if check.restored_at else ""
    yield _RESULTS[check.result].format(rows=check.rows, pruned=check.pruned, restored_at=restored_at)
    yield from (f"  {each}" for each in (*check.broken, *check.differences))
    if check.later:
        yield f"recorded after the day was reported: {', '.join(check.later)}"
    at = format_instant(closed.closed_at)
    yield f"Compare the digest with the message of {at} in the chat (alert {closed.alert_id})."


def as_json(day: date, found: Sequence[DigestCheck]) -> dict[str, object]:
    """Return the same for programs."""
    return {"day": day.isoformat(), "ok": is_verified(found), "digests": [check_as_json(each) for each in found]}


def check_as_json(check: DigestCheck) -> dict[str, object]:
    closed = check.closed
    return {
        "from": closed.since.isoformat(), "to": closed.day.isoformat(), "digest": closed.digest,
        "previous": closed.previous, "version": closed.version, "closed_at": to_text(closed.closed_at),
        "alert_id": closed.alert_id, "result": check.result.value, "rows": check.rows, "pruned": check.pruned,
        "differences": [
            {"table": each.table.name, "how": each.how, "ids": list(each.ids)} for each in check.differences
        ],
        "broken": list(check.broken), "recorded_later": list(check.later),
    }  # fmt: skip
