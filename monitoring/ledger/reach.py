"""Whether people are being reached: the one definition, with its reasons.

Asked by the exit code of `run`, the heartbeat, `/healthz`, `/metrics`, `status`, `doctor`, the audit and the page, so
that they never disagree.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path

from monitoring.base.formatting import format_duration
from monitoring.store.db.database import Database
from monitoring.store.queries.reach import GivenUp, Outbox, Refusing, WaitingGroup, outbox
from monitoring.store.spool.unstored import Kept, by_severity, look

LONGEST_WAIT = timedelta(minutes=10)  # CONTRACT, /healthz
_REMEMBERED = timedelta(days=1)  # an alert that was given up is no news after that


class Cause(StrEnum):
    """Why people are not reached."""

    WAITING = "waiting"
    CREDENTIALS = "credentials"
    REFUSED = "refused"
    GIVEN_UP = "given_up"
    UNSTORED = "unstored"


@dataclass(frozen=True, slots=True)
class ReachProblem:
    """One reason: how many alerts, since when, and a sentence for people."""

    cause: Cause
    text: str
    count: int
    since: datetime

    def __str__(self) -> str:
        return self.text

    @property
    def is_unstored(self) -> bool:
        return self.cause is Cause.UNSTORED


def reach_problems(database: Database, now: datetime) -> list[ReachProblem]:
    """Return why people are not being reached now; empty if they are.

    Raises:
        StoreError: the database cannot be read.
    """
    return list(judge_outbox(outbox(database, now - _REMEMBERED, now), now))


def reach_problems_without_database(directory: Path, now: datetime) -> list[ReachProblem]:
    """Return what is known where the database is missing or cannot be read."""
    return list(judge_outbox(Outbox(kept=look(directory)), now))


def judge_outbox(found: Outbox, now: datetime) -> Iterator[ReachProblem]:
    """Return the problems, the most serious first."""
    if found.kept.alerts or found.kept.dropped:
        yield _unstored(found.kept, now)
    yield from (_refused(each, now) for each in found.refusing)
    refusing = {each.destination for each in found.refusing}
    for group in found.waiting:
        if group.status == "skipped_missing_credentials":
            yield _waits(Cause.CREDENTIALS, group, now, ": credentials are missing or revoked")
        elif group.destination in refusing:
            continue
        elif now - group.oldest_at > LONGEST_WAIT:
            yield _waits(Cause.WAITING, group, now)
        elif group.newest_at - now > LONGEST_WAIT:
            yield _waits(Cause.WAITING, group, now, ", some with a time in the future: the clock was set back")
    if found.given_up:
        yield _given_up(found.given_up)


def _waits(cause: Cause, group: WaitingGroup, now: datetime, more: str = "") -> ReachProblem:
    age = format_duration(max(now - group.oldest_at, timedelta(0)))
    text = f"{_alerts(group.count, 'waits', 'wait')} for {_kind(group.destination)}, the oldest for {age}{more}"
    return ReachProblem(cause, text, group.count, group.oldest_at)


def _refused(each: Refusing, now: datetime) -> ReachProblem:
    waiting = f"{_alerts(each.count, 'waits', 'wait')}, the oldest for {format_duration(now - each.oldest_at)}"
    return ReachProblem(
        Cause.REFUSED, f"{_kind(each.destination)} refuses ({each.error}): {waiting}", each.count, each.oldest_at
    )


def _given_up(found: GivenUp) -> ReachProblem:
    why = f": {found.error}" if found.error else ""
    text = f"{_alerts(found.count, 'was', 'were')} given up undelivered in the last 24 hours{why}"
    return ReachProblem(Cause.GIVEN_UP, text, found.count, found.newest_at)


def _unstored(kept: Kept, now: datetime) -> ReachProblem:
    since = min((alert.at for alert in kept.alerts), default=now)
    parts = (
        [f"{_alerts(len(kept.alerts), 'waits', 'wait')} to be stored ({by_severity(kept.counts)})"]
        if kept.alerts
        else []
    )
    if kept.dropped:
        parts.append(f"{_alerts(kept.dropped.total(), 'was', 'were')} dropped ({by_severity(kept.dropped)})")
    text = f"the database cannot be written: {', '.join(parts)}"
    return ReachProblem(Cause.UNSTORED, text, len(kept.alerts) + kept.dropped.total(), since)


def _alerts(count: int, singular: str, plural: str) -> str:
    return f"1 alert {singular}" if count == 1 else f"{count} alerts {plural}"


def _kind(destination: str) -> str:
    """Name a destination without the part that may be an address."""
    return destination.partition(" ")[0]
