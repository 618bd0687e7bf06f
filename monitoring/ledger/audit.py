"""Verifies silence: joins the schedule in force, the ledger and the outbox of a span into one result.

Used by the verb `audit`, `status`, the API and the dashboard alike. Pure: `facts` gathers, `findings` judges, and
this sums up.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from monitoring.base.formatting import format_duration
from monitoring.ledger.findings import AuditProblem, ProblemKind, find
from monitoring.ledger.log_ranges import COUNTS
from monitoring.ledger.outcomes import Facts

__all__ = ["DRILL_OLDER_THAN", "Audit", "AuditProblem", "ProblemKind", "as_json", "judge", "sentence"]

DRILL_OLDER_THAN = timedelta(days=8)  # the shipped drill is weekly; a day more for a host that was down that hour
_RAN = ("ok", "failed", "aborted")
_NOT_RUN = ("skipped", "missed", "unknown")
_STATUSES = (*_RAN, "going", *_NOT_RUN)


@dataclass(frozen=True, slots=True)
class Audit:
    """The result for [since, until): silence means that all is well exactly if `is_ok`.

    `ticks` and `alerts` count by status, `reasons` the reasons of ticks that did not run; `slowest` is of the
    alerts delivered. `event_logs` counts the ranges of blocks whose events were read by how far they are complete,
    `inhibited` the checks that are held back now by the condition they follow from.
    """

    since: datetime
    until: datetime
    profiles: tuple[str, ...]
    ticks: Counter[str]
    alerts: Counter[str]
    reasons: dict[str, tuple[str, ...]]
    slowest: timedelta | None
    drill: tuple[datetime, timedelta] | None
    findings: tuple[AuditProblem, ...]
    event_logs: Counter[str] = field(default_factory=Counter)
    inhibited: Counter[str] = field(default_factory=Counter)

    @property
    def is_ok(self) -> bool:
        return not any(finding.breaks_silence for finding in self.findings)

    @property
    def due(self) -> int:
        return self.ran + sum(self.ticks[status] for status in _NOT_RUN)

    @property
    def ran(self) -> int:
        return sum(self.ticks[status] for status in _RAN)


def judge(facts: Facts, *, drill_older_than: timedelta | None = DRILL_OLDER_THAN) -> Audit:
    """Turn the facts of a span into the result."""
    delivered = [alert.took for alert in facts.alerts if alert.took is not None]
    return Audit(
        since=facts.since,
        until=facts.until,
        profiles=facts.profiles,
        ticks=Counter(tick.status for tick in facts.ticks),
        alerts=Counter(alert.status for alert in facts.alerts),
        reasons={
            status: tuple(dict.fromkeys(tick.reason for tick in facts.ticks if tick.status == status))
            for status in _NOT_RUN
        },
        slowest=max(delivered, default=None),
        drill=facts.drill,
        event_logs=sum((one.numbers for one in facts.log_ranges), Counter[str]()),
        inhibited=facts.inhibited,
        findings=tuple(sorted(find(facts, drill_older_than), key=lambda found: (found.first_at, found.kind))),
    )


def sentence(audit: Audit) -> str:
    """Return the result in one line: `from A to B: 154 ticks due, 153 ran (151 ok, 2 failed), 1 skipped (…); 12 …`."""
    parts = [_count(audit.due, "tick") + " due", f"{audit.ran} ran ({_ran(audit.ticks)})"]
    parts += [_not_run(audit, status) for status in _NOT_RUN if audit.ticks[status]]
    parts += [f"{audit.ticks['going']} still going"] if audit.ticks["going"] else []
    return f"from {_minute(audit.since)} to {_minute(audit.until)}: {', '.join(parts)}; {_alert_part(audit)}"


def _ran(ticks: Counter[str]) -> str:
    return ", ".join([f"{ticks['ok']} ok", *(f"{ticks[status]} {status}" for status in _RAN[1:] if ticks[status])])


def _not_run(audit: Audit, status: str) -> str:
    """A single reason follows the number; several are in the findings."""
    reasons = audit.reasons[status]
    return f"{audit.ticks[status]} {status}" + (f" ({reasons[0]})" if len(reasons) == 1 and reasons[0] else "")


def _alert_part(audit: Audit) -> str:
    counted = {status: count for status, count in sorted(audit.alerts.items()) if status != "not_attempted"}
    if not counted:
        return "no alerts"
    delivered = counted.pop("delivered", 0)
    named = [f"{count} {status.replace('_', ' ')}" for status, count in counted.items()]
    slowest = [f"slowest {format_duration(audit.slowest)}"] if audit.slowest is not None else []
    total = _count(delivered + sum(counted.values()), "alert")
    return ", ".join([total, f"{delivered} delivered", *named, *slowest])


def event_logs_in_words(audit: Audit) -> str:
    """Return `event logs: 140 ranges confirmed, 3 unconfirmed`; nothing where none were read."""
    counts = [(name, audit.event_logs[name]) for name in COUNTS if audit.event_logs[name]]
    if not counts:
        return ""
    (first, number), *others = counts
    return ", ".join([f"event logs: {_count(number, 'range')} {first}", *(f"{count} {name}" for name, count in others)])


def inhibited_in_words(audit: Audit) -> str:
    """Return `inhibited now: 2 checks by pegs: stale/1/USDC`; nothing where none is."""
    found = [f"{_count(number, 'check')} by {cause}" for cause, number in sorted(audit.inhibited.items())]
    return f"inhibited now: {', '.join(found)}" if found else ""


def as_json(audit: Audit) -> dict[str, object]:
    """Return the result as the API and `audit --json` show it; instants as ISO 8601, durations in seconds."""
    return {
        "ok": audit.is_ok,
        "sentence": sentence(audit),
        "since": _iso(audit.since),
        "until": _iso(audit.until),
        "profiles": list(audit.profiles),
        "ticks": {"due": audit.due, "ran": audit.ran, **{status: audit.ticks[status] for status in _STATUSES}},
        "alerts": dict(sorted(audit.alerts.items())),
        "slowest_delivery_s": audit.slowest.total_seconds() if audit.slowest is not None else None,
        "last_drill": {"at": _iso(audit.drill[0]), "took_s": audit.drill[1].total_seconds()} if audit.drill else None,
        "inhibited": sum(audit.inhibited.values()),
        "event_logs": {name: audit.event_logs[name] for name in COUNTS},
        "findings": [
            {
                "kind": found.kind.value,
                "text": found.text,
                "profile": found.profile or None,
                "from": _iso(found.first_at),
                "to": _iso(found.last_at),
                "count": found.count,
                "cause": found.cause,
                "breaks_silence": found.breaks_silence,
            }
            for found in audit.findings
        ],
    }


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _minute(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%d %H:%M")


def _iso(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%dT%H:%M:%SZ")
