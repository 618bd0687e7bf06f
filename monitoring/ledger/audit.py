"""Proves or refutes silence: the schedule in force, the ledger and the outbox of a span, joined into one verdict.

Used by the verb `audit`, `status`, the API and the dashboard alike. It reads only; ticks without a row are explained
here by the same rule that would write them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from monitoring.clock import format_duration
from monitoring.ledger.facts import AlertFate, Facts, TaskFailures, TickFate

SLOW_DELIVERY = timedelta(minutes=1)
DRILL_OLDER_THAN = timedelta(days=8)  # the shipped drill is weekly; a day more for a host that was down that hour


class Kind(StrEnum):
    """What an exception is about."""

    TICKS_MISSED = "ticks missed"
    TICKS_SKIPPED = "ticks skipped"
    RUNS_ABORTED = "runs aborted"
    TASK_FAILING = "task failing"
    ALERTS_WAITING = "alerts waiting"
    ALERTS_UNSENT = "alerts not sent"
    ALERTS_SLOW = "alerts slow"
    SILENCE = "silence in force"
    LEDGER_GAP = "gap in the ledger"
    NOTHING_SCHEDULED = "nothing scheduled"
    NOT_DRILLED = "alarm path not drilled"


@dataclass(frozen=True, slots=True)
class Finding:
    """One exception: what, where, from when to when, how often, and the likely cause."""

    kind: Kind
    text: str
    first_at: datetime
    last_at: datetime
    count: int = 1
    profile: str = ""
    cause: str = ""
    breaks_silence: bool = True


@dataclass(frozen=True, slots=True)
class Audit:
    """The verdict on [since, until): silence means that all is well exactly if `is_ok`."""

    since: datetime
    until: datetime
    profiles: tuple[str, ...]
    ticks: Counter[str]
    alerts: Counter[str]
    slowest: timedelta | None
    findings: tuple[Finding, ...]

    @property
    def is_ok(self) -> bool:
        return not any(finding.breaks_silence for finding in self.findings)

    @property
    def due(self) -> int:
        return sum(self.ticks.values()) - self.ticks["going"]

    @property
    def ran(self) -> int:
        return sum(self.ticks[status] for status in ("ok", "failed", "aborted"))


def judge(facts: Facts, *, drill_older_than: timedelta | None = DRILL_OLDER_THAN) -> Audit:
    """Turn the facts of a span into the verdict. Pure."""
    delivered = [alert.took for alert in facts.alerts if alert.took is not None]
    return Audit(
        since=facts.since,
        until=facts.until,
        profiles=facts.profiles,
        ticks=Counter(tick.status for tick in facts.ticks),
        alerts=Counter(alert.status for alert in facts.alerts),
        slowest=max(delivered, default=None),
        findings=tuple(sorted(_findings(facts, drill_older_than), key=lambda found: (found.first_at, found.kind))),
    )


def _findings(facts: Facts, drill_older_than: timedelta | None) -> Iterable[Finding]:
    yield from _tick_findings(facts.ticks)
    yield from (_failing(task) for task in facts.failures)
    yield from _alert_findings(facts)
    yield from (
        Finding(Kind.SILENCE, silence.text, silence.starts_at, silence.ends_at, breaks_silence=False)
        for silence in facts.silences
    )
    yield from _gaps(facts)
    if drill_older_than is not None:
        yield from _undrilled(facts, drill_older_than)


_TICK_KINDS = {"missed": Kind.TICKS_MISSED, "skipped": Kind.TICKS_SKIPPED, "aborted": Kind.RUNS_ABORTED}


def _tick_findings(ticks: Sequence[TickFate]) -> Iterable[Finding]:
    """Fold ticks of one profile that met the same fate for the same reason, one after the other, into one finding."""
    folded: dict[str, Finding] = {}
    for tick in ticks:
        kind = _TICK_KINDS.get(tick.status)
        open_one = folded.get(tick.profile)
        if open_one is not None and (kind is not open_one.kind or tick.reason != open_one.cause):
            yield folded.pop(tick.profile)
            open_one = None
        if kind is None:
            continue
        first_at = open_one.first_at if open_one else tick.tick_at
        count = open_one.count + 1 if open_one else 1
        text = _tick_text(tick.profile, kind, first_at, tick.tick_at, count, tick.reason)
        folded[tick.profile] = Finding(kind, text, first_at, tick.tick_at, count, tick.profile, tick.reason)
    yield from folded.values()


def _tick_text(profile: str, kind: Kind, first_at: datetime, last_at: datetime, count: int, reason: str) -> str:
    verb = kind.value.partition(" ")[2]
    if count == 1:
        return f"{profile}: the tick of {_clock(first_at)} was {verb}: {reason}"
    return f"{profile}: {count} ticks of {_clock(first_at)} to {_clock(last_at)} were {verb}: {reason}"


def _failing(task: TaskFailures) -> Finding:
    state = "fails" if task.still_failing else "failed, and is well again"
    times = f"{task.count} runs" if task.count > 1 else "one run"
    text = f"{task.profile}/{task.task} {state}: {times} since {_clock(task.first_at)}, last: {task.reason}"
    return Finding(Kind.TASK_FAILING, text, task.first_at, task.last_at, task.count, task.profile, task.reason)


_UNSENT = {
    "failed": "the destination refused it for good",
    "skipped_debug": "LOG_LEVEL was DEBUG",
    "silenced": "a silence covered it",
    "generated": "it was stored by the old system and never sent",
}
_WAITING = {
    "pending": "not yet accepted",
    "skipped_missing_credentials": "no credentials, or a revoked token",
}


def _alert_findings(facts: Facts) -> Iterable[Finding]:
    for status, cause in _WAITING.items():
        waiting = [alert for alert in facts.alerts if alert.status == status and _is_overdue(alert, facts.now)]
        yield from _alerts(Kind.ALERTS_WAITING, waiting, cause, "wait to be delivered")
    for status, cause in _UNSENT.items():
        yield from _alerts(
            Kind.ALERTS_UNSENT, [alert for alert in facts.alerts if alert.status == status], cause, "were not sent"
        )
    yield from _alerts(
        Kind.ALERTS_UNSENT, [alert for alert in facts.alerts if alert.test_mode],
        "TELEGRAM_TEST_CHAT_ID is set", "went to the test chat only",
    )  # fmt: skip
    slow = [alert for alert in facts.alerts if alert.took is not None and alert.took > SLOW_DELIVERY]
    yield from _alerts(Kind.ALERTS_SLOW, slow, f"longer than {format_duration(SLOW_DELIVERY)}", "were delivered late")


def _is_overdue(alert: AlertFate, now: datetime) -> bool:
    return alert.status != "pending" or now - alert.created_at > SLOW_DELIVERY


def _alerts(kind: Kind, alerts: Sequence[AlertFate], cause: str, what: str) -> Iterable[Finding]:
    if alerts:
        first, last = alerts[0], alerts[-1]
        ids = f"alert {first.id}" if len(alerts) == 1 else f"{len(alerts)} alerts ({first.id} to {last.id})"
        detail = f": {first.error}" if len(alerts) == 1 and first.error else ""
        text = f"{ids} {what if len(alerts) > 1 else _singular(what)} ({cause}{detail})"
        yield Finding(kind, text, first.created_at, last.created_at, len(alerts), cause=cause)


def _singular(what: str) -> str:
    return what.replace("were ", "was ", 1).replace("wait ", "waits ", 1)


def _gaps(facts: Facts) -> Iterable[Finding]:
    if not facts.spans:
        text = "no schedule was in force: nothing was due, and nothing is proved"
        yield Finding(Kind.NOTHING_SCHEDULED, text, facts.since, facts.until)
        return
    begins_at = min(span.effective_from for span in facts.spans)
    if begins_at > facts.since:
        text = f"the ledger knows no schedule before {_clock(begins_at)}: what was due until then is not known"
        yield Finding(Kind.LEDGER_GAP, text, facts.since, begins_at, cause=facts.gap_cause)


def _undrilled(facts: Facts, older_than: timedelta) -> Iterable[Finding]:
    if facts.drilled_at is None:
        text = "the alarm path was never drilled: run `python -m automation drill`"
        yield Finding(Kind.NOT_DRILLED, text, facts.until, facts.until, breaks_silence=False)
    elif facts.until - facts.drilled_at > older_than:
        age = format_duration(facts.until - facts.drilled_at)
        text = f"the alarm path was last drilled {age} ago: run `python -m automation drill`"
        yield Finding(Kind.NOT_DRILLED, text, facts.drilled_at, facts.until, breaks_silence=False)


def sentence(audit: Audit) -> str:
    """Say the verdict in one line: `from A to B: 154 ticks due, 153 ran (151 ok, 2 failed), 1 skipped; 12 alerts …`."""
    parts = [f"{audit.due} ticks due", f"{audit.ran} ran ({_ran(audit.ticks)})"]
    parts += [f"{audit.ticks[status]} {status}" for status in ("skipped", "missed") if audit.ticks[status]]
    parts += [f"{audit.ticks['going']} still going"] if audit.ticks["going"] else []
    return f"from {_clock(audit.since)} to {_clock(audit.until)}: {', '.join(parts)}; {_alert_part(audit)}"


def _ran(ticks: Counter[str]) -> str:
    named = [f"{ticks[status]} {status}" for status in ("failed", "aborted") if ticks[status]]
    return ", ".join([f"{ticks['ok']} ok", *named])


def _alert_part(audit: Audit) -> str:
    total = sum(audit.alerts.values()) - audit.alerts["not_attempted"]
    if not total:
        return "no alerts"
    named = [
        f"{count} {status.replace('_', ' ')}"
        for status, count in sorted(audit.alerts.items())
        if status not in ("delivered", "not_attempted")
    ]
    slowest = f", slowest {format_duration(audit.slowest)}" if audit.slowest is not None else ""
    fates = ", ".join([f"{audit.alerts['delivered']} delivered", *named])
    return f"{total} alerts, {fates}{slowest}"


def _clock(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%d %H:%M")
