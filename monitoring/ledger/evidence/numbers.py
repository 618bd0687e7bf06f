"""What happened within a span of days, in numbers: what the message of a day says, and each row of a report. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from math import ceil
from statistics import median
from typing import TypeVar

import orjson

from monitoring.base.clock import instant_or_none, to_text
from monitoring.base.process_identity import Boot
from monitoring.conditions.silence import Silence
from monitoring.ledger.outcomes import Facts, NoDataPeriod, TickOutcome, gather
from monitoring.store.db.database import Database
from monitoring.store.evidence import arrivals
from monitoring.store.evidence.arrivals import Arrival
from monitoring.store.people import pauses
from monitoring.store.people.acknowledgements import Acknowledgement
from monitoring.store.people.pauses import Pause

# Tests of the way to people, and the message of the day itself, are no alerts.
NOT_COUNTED = ("drill", "people_drill", "daily_report")
RAN = ("ok", "failed", "aborted")
NOT_RUN = ("skipped", "missed", "unknown")
LATE = timedelta(minutes=1)  # ours: a run that starts so long after its tick is counted as late
_DAY = timedelta(days=1)
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Times:
    """How long something took, in seconds; zero where `count` is."""

    count: int = 0
    median_s: float = 0.0
    p95_s: float = 0.0
    worst_s: float = 0.0

    @classmethod
    def of(cls, found: Iterable[timedelta]) -> Times:
        seconds = sorted(each.total_seconds() for each in found)
        if not seconds:
            return cls()
        at_95 = seconds[ceil(0.95 * len(seconds)) - 1]
        return cls(len(seconds), *(round(each, 3) for each in (median(seconds), at_95, seconds[-1])))

    def as_json(self) -> dict[str, float]:
        return {"count": self.count, "median_s": self.median_s, "p95_s": self.p95_s, "worst_s": self.worst_s}


@dataclass(frozen=True, slots=True)
class HeldBack:
    """A silence or a pause: whose, of what, from when until when, and how much it held back."""

    by: str
    what: str
    starts_at: datetime
    ends_at: datetime
    count: int
    reason: str = ""

    def as_json(self) -> dict[str, object]:
        return {
            "by": self.by, "what": self.what, "from": to_text(self.starts_at), "until": to_text(self.ends_at),
            "held_back": self.count, "reason": self.reason,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class DayNumbers:
    """The days from `first` to `last`, both among them. `reasons` counts why ticks did not run."""

    first: date
    last: date
    ticks: Counter[str]
    late: Times
    reasons: Counter[tuple[str, str]]
    no_data: tuple[NoDataPeriod, ...]
    alerts: int
    arrived: Times
    not_delivered: int
    silenced: int
    acknowledged: Times
    muted: tuple[HeldBack, ...]
    paused: tuple[HeldBack, ...]
    revision: str

    @property
    def due(self) -> int:
        return self.ran + sum(self.ticks[status] for status in NOT_RUN)

    @property
    def ran(self) -> int:
        return sum(self.ticks[status] for status in RAN)

    @property
    def checks_without_data(self) -> int:
        return sum(each.checks for each in self.no_data)

    def as_json(self) -> dict[str, object]:
        return {
            "from": self.first.isoformat(),
            "to": self.last.isoformat(),
            "ticks": {"due": self.due, "ran": self.ran, **{name: self.ticks[name] for name in (*RAN, *NOT_RUN)}},
            "late": self.late.as_json(),
            "reasons": [
                {"status": status, "reason": why, "count": count} for (status, why), count in self.reasons.most_common()
            ],
            "no_data": [
                {"source": each.source, "checks": each.checks, "from": to_text(each.since)} for each in self.no_data
            ],
            "alerts": {
                "count": self.alerts, "not_delivered": self.not_delivered, "silenced": self.silenced,
                "arrived": self.arrived.as_json(), "acknowledged": self.acknowledged.as_json(),
            },
            "silences": [each.as_json() for each in self.muted],
            "pauses": [each.as_json() for each in self.paused],
            "revision": self.revision,
        }  # fmt: skip

    def as_text(self) -> str:
        """Return it as one line of JSON, which goes into the digest."""
        return orjson.dumps(self.as_json()).decode()


@dataclass(frozen=True, slots=True)
class SpanFacts:
    """All that the numbers of any days of a span are made of, read once."""

    since: datetime
    until: datetime
    facts: Facts
    ticks: tuple[TickOutcome, ...]
    arrivals: tuple[Arrival, ...]
    late: tuple[tuple[datetime, timedelta], ...]
    pauses: tuple[Pause, ...]
    revisions: tuple[tuple[str, datetime], ...]
    revision: str


def read_span(database: Database, first: date, last: date, now: datetime, boot: Boot) -> SpanFacts:
    """Read what the store knows of these days, first and last among them."""
    since, until = start_of(first), start_of(last + _DAY)
    facts = gather(database, since=since, until=until, now=now, boot=boot)
    with database.snapshot() as tx:
        return SpanFacts(
            since,
            until,
            facts,
            tuple(sorted(facts.ticks, key=_tick_at)),
            tuple(sorted(arrivals.arrivals(tx, since, until, NOT_COUNTED), key=_created_at)),
            tuple(arrivals.late_starts(tx, since, until, LATE)),
            tuple(pauses.between(tx, since, until)),
            tuple(arrivals.revisions(tx, since, until)),
            arrivals.last_revision(tx, until),
        )


def start_of(day: date) -> datetime:
    """Return the instant at which a day begins, in UTC."""
    return datetime.combine(day, time(0), UTC)


def numbers(found: SpanFacts, first: date, last: date) -> DayNumbers:
    """Return the numbers of some days of a span that was read."""
    since, until = start_of(first), start_of(last + _DAY)
    ticks = _within(found.ticks, _tick_at, since, until)
    alerts = _within(found.arrivals, _created_at, since, until)
    not_run = [each for each in ticks if each.status in NOT_RUN]
    return DayNumbers(
        first,
        last,
        Counter(each.status for each in ticks),
        Times.of(took for _, took in _within(found.late, lambda each: each[0], since, until)),
        Counter((each.status, each.reason) for each in not_run),
        tuple(each for each in found.facts.no_data if each.since < until and (each.until or until) > since),
        len(alerts),
        Times.of(each.took for each in alerts if each.took is not None),
        sum(each.status not in ("delivered", "silenced", "skipped_debug") for each in alerts),
        sum(each.status == "silenced" for each in alerts),
        Times.of(_until_acknowledged(found.facts.acknowledged, since, until)),
        tuple(_muted(each.silence) for each in found.facts.silences if _overlaps(each.silence, since, until)),
        tuple(_paused(each) for each in found.pauses if _overlaps(each, since, until)),
        next((name for name, at in reversed(found.revisions) if at < until), found.revision),
    )


def _within(found: Sequence[_T], at: Callable[[_T], datetime], since: datetime, until: datetime) -> list[_T]:
    """Return what lies within [since, until) of what is in order."""
    return list(found[bisect_left(found, since, key=at) : bisect_left(found, until, key=at)])


def _tick_at(tick: TickOutcome) -> datetime:
    return tick.tick_at


def _created_at(arrival: Arrival) -> datetime:
    return arrival.created_at


def _overlaps(each: Silence | Pause, since: datetime, until: datetime) -> bool:
    return each.starts_at < until and each.ends_at > since


def _until_acknowledged(found: Iterable[Acknowledgement], since: datetime, until: datetime) -> Iterable[timedelta]:
    for each in found:
        began = instant_or_none(each.episode)
        if began is not None and since <= each.at < until:
            yield max(each.at - began, timedelta(0))


def _muted(silence: Silence) -> HeldBack:
    return HeldBack(
        silence.created_by, silence.what, silence.starts_at, silence.ends_at, silence.silenced, silence.reason
    )


def _paused(pause: Pause) -> HeldBack:
    return HeldBack(pause.created_by, pause.what, pause.starts_at, pause.ends_at, pause.held_back, pause.reason)
