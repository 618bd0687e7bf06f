"""`audit --report`: what happened in weeks or months, as evidence for an auditor; Markdown and JSON."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from textwrap import wrap

from automation.evidence.digest_view import check_as_json, is_verified
from monitoring.base.clock import to_text
from monitoring.base.errors import UsageError
from monitoring.base.formatting import format_instant
from monitoring.base.plural import counted
from monitoring.base.process_identity import current_boot
from monitoring.base.secrets.redact import excerpt
from monitoring.ledger.evidence.numbers import DayNumbers, HeldBack, SpanFacts, Times, numbers, read_span
from monitoring.ledger.evidence.verify import DigestCheck, DigestResult, verify
from monitoring.store.db.database import Database
from monitoring.store.evidence import closed_days
from monitoring.store.people import people_drills
from monitoring.store.people.people_drills import PersonDrill
from monitoring.store.queries import audit

_DAY = timedelta(days=1)
_LONGEST = timedelta(days=400)
_BY_DAY = 14  # days up to which each has a row of its own
_WIDTH = 80
_WHY, _WHAT, _WHO = 46, 26, 12  # columns
_MOST_ROWS = 100
_REVISION_CHARS = 12


@dataclass(frozen=True, slots=True)
class PeriodReport:
    """The days from `first` to `last`: in all, by day and by row of the tables, and which digests hold."""

    host: str
    made_at: datetime
    first: date
    last: date
    total: DayNumbers
    by_day: tuple[DayNumbers, ...]
    rows: tuple[DayNumbers, ...]
    revisions: tuple[tuple[str, datetime], ...]
    drills: tuple[PersonDrill, ...]
    digests: tuple[DigestCheck, ...]
    digests_from: date | None
    without_digest: tuple[date, ...]

    @property
    def is_verified(self) -> bool:
        """Return whether every day that should have a digest has one, and each holds."""
        return not self.without_digest and (not self.digests or is_verified(self.digests))

    def as_json(self) -> dict[str, object]:
        return {
            "ok": self.is_verified,
            "host": self.host,
            "made_at": to_text(self.made_at),
            "total": self.total.as_json(),
            "days": [each.as_json() for each in self.by_day],
            "revisions": [{"revision": name, "from": to_text(at)} for name, at in self.revisions],
            "drills": [_drill_as_json(each) for each in self.drills],
            "digests": [check_as_json(each) for each in self.digests],
            "digests_from": self.digests_from.isoformat() if self.digests_from else None,
            "days_without_digest": [each.isoformat() for each in self.without_digest],
        }

    def as_markdown(self) -> Iterator[str]:
        yield f"# What was watched, {self.first} to {self.last}"
        yield ""
        yield f"Host {self.host}, made {format_instant(self.made_at)}. Whole days in UTC, without today."
        yield from ("", "## Availability", "", *_availability(self.total))
        yield from _table(
            ("from", "due", "run", "late", "failed", "skipped", "missed", "run %"), map(_ticks, self.rows)
        )
        if self.total.reasons:
            yield from ("", "Why runs are missing:", "", *_reasons(self.total))
        yield from ("", "## Alerts", "", *_alerts(self.total))
        yield from _table(
            ("from", "alerts", "unsent", "median", "p95", "worst", "ack", "median", "worst"), map(_arrival, self.rows)
        )
        yield from ("", "## Silences", "", *_held(self.total.muted))
        yield from ("", "## Pauses", "", *_held(self.total.paused))
        yield from ("", "## Drills of people", "", *_drills(self.drills))
        yield from ("", "## Digests", "", *self._digests())
        yield from ("", "## Revisions", "", *_revisions(self.revisions))

    def _digests(self) -> Iterator[str]:
        if self.digests_from is None:
            yield "No day of this time has a digest."
            return
        counts = Counter(each.result for each in self.digests)
        yield f"{counted(len(self.digests), 'daily report')} since {self.digests_from}: " + ", ".join(
            f"{counts[result]} {result.value}" for result in DigestResult if counts[result]
        )
        yield from (f"- {day}: its digest is missing" for day in self.without_digest)
        for each in self.digests:
            if each.result in (DigestResult.DIFFERS, DigestResult.RESTORED):
                for what in (*each.broken, *each.differences):
                    yield from wrap(f"- {each.closed.day}: {what}", _WIDTH, subsequent_indent="  ")


def gather_report(database: Database, span: timedelta, now: datetime) -> PeriodReport:
    """Read everything once.

    Raises:
        UsageError: the span is shorter than a day or longer than rows can be kept.
    """
    if not _DAY <= span <= _LONGEST:
        raise UsageError(f"a report is about 1d to {_LONGEST.days}d: write --report 90d, for example")
    first, last = (now - span).date(), now.date() - _DAY
    found = read_span(database, first, last, now, current_boot())
    digests, digests_from, missing = _digests(database, first, last, now)
    days = [first + _DAY * index for index in range((last - first).days + 1)]
    total = numbers(found, first, last)
    drills = tuple(database.read(lambda tx: people_drills.between(tx, found.since, found.until)))
    by_day = tuple(numbers(found, day, day) for day in days)
    rows = by_day if len(days) <= _BY_DAY else tuple(_by_week(found, days))
    return PeriodReport(
        os.uname().nodename,
        now,
        first,
        last,
        total,
        by_day,
        rows,
        found.revisions,
        drills,
        digests,
        digests_from,
        missing,
    )


def _by_week(found: SpanFacts, days: Sequence[date]) -> Iterator[DayNumbers]:
    """Yield the numbers of each week; the first and the last may be shorter."""
    first = days[0]
    while first <= days[-1]:
        last = min(first + timedelta(days=6 - first.weekday()), days[-1])
        yield numbers(found, first, last)
        first = last + _DAY


def _digests(
    database: Database, first: date, last: date, now: datetime
) -> tuple[tuple[DigestCheck, ...], date | None, tuple[date, ...]]:
    """Return the digests of the span, the first day that should have one, and those that have none."""
    restored_at = audit.restored_at(database)
    with database.snapshot() as tx:
        begun, newest = closed_days.oldest(tx), closed_days.newest(tx)
        if begun is None or newest is None or newest.alert_id is None:
            return (), None, ()
        stored = [each for each in closed_days.between(tx, first, last) if each.alert_id is not None]
        since = max(first, begun.day + _DAY)
        covered = {each.since + _DAY * index for each in stored for index in range((each.day - each.since).days + 1)}
        due = (since + _DAY * index for index in range((min(last, newest.day) - since).days + 1))
        checks = tuple(verify(tx, each, now, restored_at) for each in stored)
        return checks, since, tuple(day for day in due if day not in covered)


def _availability(total: DayNumbers) -> Iterator[str]:
    yield f"{total.ran} of {total.due} due runs were made ({_percent(total)}); {total.late.count} started late."
    yield ""


def _ticks(one: DayNumbers) -> Sequence[str]:
    ticks = one.ticks
    missed = ticks["missed"] + ticks["unknown"]
    counts = (one.due, one.ran, one.late.count, ticks["failed"] + ticks["aborted"], ticks["skipped"], missed)
    return (one.first.isoformat(), *map(str, counts), _percent(one))


def _percent(one: DayNumbers) -> str:
    """Return it rounded down: 100 % only where nothing is missing."""
    return f"{one.ran * 10000 // one.due / 100:.2f} %" if one.due else "-"


def _reasons(total: DayNumbers) -> Iterable[str]:
    rows = [(status, str(count), excerpt(why, _WHY)) for (status, why), count in total.reasons.most_common(_MOST_ROWS)]
    return _table(("", "runs", "why"), rows)


def _alerts(total: DayNumbers) -> Iterator[str]:
    held = f"{total.silenced} held back by silences"
    yield f"{counted(total.alerts, 'alert')}, {total.not_delivered} not delivered, {held}."
    yield ""
    yield f"- stored to accepted: {_times(total.arrived)}"
    yield f"- begin to acknowledged: {_times(total.acknowledged)}"
    yield ""


def _times(found: Times) -> str:
    if not found.count:
        return "none"
    return f"median {_short(found.median_s)}, p95 {_short(found.p95_s)}, worst {_short(found.worst_s)}"


def _arrival(one: DayNumbers) -> Sequence[str]:
    arrived, taken = one.arrived, one.acknowledged
    speeds = [_short(each) if arrived.count else "" for each in (arrived.median_s, arrived.p95_s, arrived.worst_s)]
    until = [_short(each) if taken.count else "" for each in (taken.median_s, taken.worst_s)]
    return (one.first.isoformat(), str(one.alerts), str(one.not_delivered), *speeds, str(taken.count), *until)


def _short(seconds: float) -> str:
    """Return it in one unit, for a column."""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f}".removesuffix(".0") + f" {unit}"
    return f"{seconds:.1f}".removesuffix(".0") + " s"


def _held(found: Sequence[HeldBack]) -> Iterable[str]:
    if not found:
        return ["None."]
    rows = [
        (excerpt(each.by, _WHO), excerpt(each.what, _WHAT), _when(each.starts_at), _when(each.ends_at), str(each.count))
        for each in found[:_MOST_ROWS]
    ]
    more = len(found) - len(rows)
    return [*_table(("by", "what", "from", "until", "held"), rows), *([f"and {more} more"] if more > 0 else [])]


def _drills(found: Sequence[PersonDrill]) -> Iterable[str]:
    if not found:
        return ["None."]
    rows = [
        (_when(each.asked_at or each.due_at), excerpt(each.person, _WHO), each.outcome or "open",
         _short(each.took.total_seconds()) if each.took is not None else "")
        for each in found[-_MOST_ROWS:]
    ]  # fmt: skip
    return _table(("asked", "who", "result", "answered after"), rows)


def _drill_as_json(drill: PersonDrill) -> dict[str, object]:
    took = drill.took
    return {
        "person": drill.person, "asked_at": to_text(drill.asked_at or drill.due_at), "result": drill.outcome or "open",
        "answered_after_s": took.total_seconds() if took is not None else None,
    }  # fmt: skip


def _when(at: datetime) -> str:
    return f"{at:%m-%d %H:%M}"


def _revisions(found: Sequence[tuple[str, datetime]]) -> Iterable[str]:
    if not found:
        return ["None."]
    return _table(
        ("from", "commit"), [(format_instant(at), name[:_REVISION_CHARS]) for name, at in found[-_MOST_ROWS:]]
    )


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yield a table of Markdown whose columns are also in line as plain text."""
    body = [[cell.replace("|", "/") for cell in row] for row in rows]
    widths = [max(len(row[index]) for row in (header, *body)) for index in range(len(header))]
    for row in (header, ["-" * width for width in widths], *body):
        yield "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
