"""The problems an audit finds: facts in, problems out, each with its span, count and likely cause. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import groupby

from monitoring.base.formatting import format_duration
from monitoring.base.plural import counted
from monitoring.ledger.clock_steps import ClockStep
from monitoring.ledger.log_ranges import CONTRADICTED, UNCONFIRMED, LogRanges, of_chains, who_left_out
from monitoring.ledger.outcomes import (
    AlertOutcome,
    Facts,
    FailedElsewhere,
    NoDataPeriod,
    SilenceInForce,
    TaskFailures,
    TickOutcome,
)
from monitoring.ledger.reach import LONGEST_WAIT, Cause
from monitoring.store.people.acknowledgements import Acknowledgement

SLOW_DELIVERY = timedelta(minutes=1)
_UNUSED = timedelta(days=30)  # ours: a silence that held back nothing for so long is not needed


class ProblemKind(StrEnum):
    """What a problem is about. Programs read these names (`audit --json`, the API); people see `heading`."""

    TICKS_MISSED = "ticks missed"
    TICKS_SKIPPED = "ticks skipped"
    TICKS_UNKNOWN = "ticks unknown"
    RUNS_FAILED = "runs failed"
    RUNS_ABORTED = "runs aborted"
    TASK_FAILING = "task failing"
    CHECKS_BLIND = "checks blind"
    EVENTS_LEFT_OUT = "events left out"
    EVENTS_UNCONFIRMED = "events unconfirmed"
    UNREACHED = "people not reached"
    ALERTS_WAITING = "alerts waiting"
    ALERTS_UNSENT = "alerts not sent"
    ALERTS_SLOW = "alerts slow"
    SILENCE = "silence in force"
    LEDGER_GAP = "gap in the ledger"
    CLOCK_SET_BACK = "clock stepped back"
    CLOCK_SET_AHEAD = "clock stepped forward"
    NOTHING_SCHEDULED = "nothing scheduled"
    NOT_SYNCED = "checkout not synced"
    ENDED_BY_HAND = "incident ended by hand"
    ACKNOWLEDGED = "incident acknowledged"
    NOT_DRILLED = "alarm path not drilled"

    @property
    def heading(self) -> str:
        return "checks without data" if self is ProblemKind.CHECKS_BLIND else self.value


@dataclass(frozen=True, slots=True)
class AuditProblem:
    """One problem: what, where, from when to when, how often, and the likely cause.

    One that does not break silence is a note: every due tick ran and every alert was delivered nevertheless.
    """

    kind: ProblemKind
    text: str
    first_at: datetime
    last_at: datetime
    count: int = 1
    profile: str = ""
    cause: str = ""
    breaks_silence: bool = True


def find(facts: Facts, drill_older_than: timedelta | None) -> Iterator[AuditProblem]:
    """Yield every problem of the span, in no order."""
    yield from tick_findings(facts.ticks)
    yield from (_failing(task) for task in facts.failures)
    yield from (_no_data(period, facts.until) for period in facts.no_data)
    yield from _left_out(facts.log_ranges)
    alerts = list(_alert_findings(facts))
    yield from alerts
    yield from _unreached(facts, alerts)
    yield from (_failed_elsewhere(failed) for failed in facts.failed_elsewhere)
    yield from (_silence(silence, facts.now) for silence in facts.silences)
    yield from _gaps(facts)
    for title, at in facts.refused:
        yield AuditProblem(ProblemKind.NOT_SYNCED, title, at, at, cause=title, breaks_silence=False)
    for condition, who, at in facts.ended_by_hand:
        text = f"{condition} was ended by {who} at {_minute(at)}"
        yield AuditProblem(ProblemKind.ENDED_BY_HAND, text, at, at, cause=f"by {who}", breaks_silence=False)
    yield from (_acknowledged(each) for each in facts.acknowledged)
    yield from (_stepped(step) for step in facts.steps)
    if drill_older_than is not None:
        yield from _undrilled(facts, drill_older_than)


_TICK_KINDS = {
    "missed": ProblemKind.TICKS_MISSED,
    "skipped": ProblemKind.TICKS_SKIPPED,
    "unknown": ProblemKind.TICKS_UNKNOWN,
    "aborted": ProblemKind.RUNS_ABORTED,
    "failed": ProblemKind.RUNS_FAILED,
}


def tick_findings(ticks: Iterable[TickOutcome]) -> Iterator[AuditProblem]:
    """Fold consecutive ticks of one profile with one outcome and one reason into one problem."""
    for _, group in groupby(ticks, key=lambda tick: (tick.profile, tick.status, tick.reason, tick.tasks_failed)):
        yield from _folded(list(group))


def _folded(group: Sequence[TickOutcome]) -> Iterator[AuditProblem]:
    """A run that failed because of its tasks is reported by their problems."""
    kind = _TICK_KINDS.get(group[0].status)
    if kind is None or group[0].tasks_failed:
        return
    first, last = group[0], group[-1]
    yield AuditProblem(
        kind, _tick_text(kind, group), first.tick_at, last.tick_at, len(group), first.profile, _cause_of(first)
    )


def _cause_of(tick: TickOutcome) -> str:
    return tick.reason or "no reason was recorded"


def _tick_text(kind: ProblemKind, group: Sequence[TickOutcome]) -> str:
    first, last = group[0], group[-1]
    when = f"the tick of {_minute(first.tick_at)}"
    if len(group) > 1:
        when = f"{len(group)} ticks of {_minute(first.tick_at)} to {_minute(last.tick_at)}"
    outcome = {
        ProblemKind.TICKS_UNKNOWN: "has no record" if len(group) == 1 else "have no record",
        ProblemKind.RUNS_FAILED: "failed",
        ProblemKind.RUNS_ABORTED: "aborted",
    }.get(kind, first.status)
    run = (
        f" (run {first.run_id})"
        if kind in (ProblemKind.RUNS_FAILED, ProblemKind.RUNS_ABORTED) and len(group) == 1
        else ""
    )
    caught_up = f" ({last.caught_up})" if last.caught_up else ""
    return f"{first.profile}: {when} {outcome}{run}: {_cause_of(first)}{caught_up}"


def _failing(task: TaskFailures) -> AuditProblem:
    state = "is failing" if task.still_failing else "failed, ok again"
    times = f"{task.count} runs" if task.count > 1 else "one run"
    text = f"{task.profile}/{task.task} {state}: {times} since {_minute(task.first_at)}, last: {task.reason}"
    return AuditProblem(
        ProblemKind.TASK_FAILING, text, task.first_at, task.last_at, task.count, task.profile, task.reason
    )


def _no_data(period: NoDataPeriod, until: datetime) -> AuditProblem:
    """Every tick may have run, and still these checks had no data."""
    checks = "1 check" if period.checks == 1 else f"{period.checks} checks"
    state = "has had no data" if period.checks == 1 else "have had no data"
    span = f"since {_minute(period.since)}"
    if period.until is not None:
        state = "had no data"
        span = f"from {_minute(period.since)} to {_minute(period.until)}"
    why = f" ({period.reason})" if period.reason else ""
    text = f"{checks} {state} {span}: {period.source} could not be read{why}"
    cause = f"{period.source} could not be read"
    return AuditProblem(ProblemKind.CHECKS_BLIND, text, period.since, period.until or until, period.checks, cause=cause)


def _left_out(ranges: Sequence[LogRanges]) -> Iterator[AuditProblem]:
    """What was found to be missing was judged; of what could be held against nothing that is not known."""
    for found, total in of_chains(ranges, CONTRADICTED):
        text = f"{found.chain}: {who_left_out(found)} in {found.numbers[CONTRADICTED]} of {total} ranges of blocks"
        yield AuditProblem(
            ProblemKind.EVENTS_LEFT_OUT, f"{text}; other evidence has them, and they were checked", found.first_at,
            found.last_at, found.numbers[CONTRADICTED], cause=who_left_out(found),
        )  # fmt: skip
    for found, total in of_chains(ranges, UNCONFIRMED):
        count = found.numbers[UNCONFIRMED]
        text = f"{found.chain}: events of {count} of {total} ranges of blocks could be held against nothing else"
        cause = "a second provider would confirm them"
        yield AuditProblem(
            ProblemKind.EVENTS_UNCONFIRMED, f"{text}: {cause}", found.first_at, found.last_at, count, cause=cause,
            breaks_silence=False,
        )  # fmt: skip


_UNSENT = {
    "failed": "dropped by a person, or given up because of its age",
    "skipped_debug": "LOG_LEVEL was DEBUG",
    "silenced": "held back by a silence",
    "generated": "stored and never sent by the replaced system",
}
_WAITING = {
    "pending": "not accepted yet",
    "skipped_missing_credentials": "credentials are missing or were refused",
}


def _alert_findings(facts: Facts) -> Iterator[AuditProblem]:
    by_status: dict[str, list[AlertOutcome]] = {}
    for alert in facts.alerts:
        by_status.setdefault(alert.status, []).append(alert)
    for status, cause in _WAITING.items():
        overdue = [alert for alert in by_status.get(status, []) if _is_overdue(alert, facts.now)]
        yield from _alerts(ProblemKind.ALERTS_WAITING, overdue, cause, "wait to be delivered", "waits to be delivered")
    for status, cause in _UNSENT.items():
        yield from _alerts(ProblemKind.ALERTS_UNSENT, by_status.get(status, []), cause, "were not sent", "was not sent")
    delivered = by_status.get("delivered", [])
    yield from _alerts(
        ProblemKind.ALERTS_UNSENT, [alert for alert in delivered if alert.test_mode],
        "TELEGRAM_TEST_CHAT_ID was set", "went to the test chat only", "went to the test chat only",
    )  # fmt: skip
    slow = [alert for alert in delivered if alert.took is not None and alert.took > SLOW_DELIVERY]
    yield from _slow(slow)


def _is_overdue(alert: AlertOutcome, now: datetime) -> bool:
    return alert.status != "pending" or now - alert.created_at > LONGEST_WAIT


def _unreached(facts: Facts, alerts: Sequence[AuditProblem]) -> Iterator[AuditProblem]:
    """Add the causes that the problems of the span's alerts do not name yet."""
    named = (
        {Cause.WAITING, Cause.CREDENTIALS}
        if any(found.kind is ProblemKind.ALERTS_WAITING for found in alerts)
        else set()
    )
    named |= {Cause.GIVEN_UP} if any(alert.status == "failed" for alert in facts.alerts) else set()
    for reason in facts.unreached:
        if reason.cause not in named:
            first = min(reason.since, facts.now)
            yield AuditProblem(
                ProblemKind.UNREACHED, reason.text, first, facts.now, reason.count, cause=reason.cause.value
            )


def _slow(slow: Sequence[AlertOutcome]) -> Iterator[AuditProblem]:
    if slow:
        attempts = max(alert.attempts for alert in slow)
        took = format_duration(max(alert.took or timedelta(0) for alert in slow))
        why = (
            f"not accepted at once, up to {attempts} attempts"
            if attempts > 1
            else "no process was running to send them, or a silence held them back"
        )
        cause = f"up to {took}; {why}"
        for found in _alerts(ProblemKind.ALERTS_SLOW, slow, cause, "were delivered late", "was delivered late"):
            yield AuditProblem(found.kind, found.text, found.first_at, found.last_at, found.count, "", cause, False)


def _alerts(
    kind: ProblemKind, alerts: Sequence[AlertOutcome], cause: str, plural: str, singular: str
) -> Iterator[AuditProblem]:
    if not alerts:
        return
    first, last = alerts[0], alerts[-1]
    errors = dict.fromkeys(alert.error for alert in alerts if alert.error)
    detail = f": {next(iter(errors))}" if len(errors) == 1 else ""
    what = (
        f"alert {first.id} {singular}"
        if len(alerts) == 1
        else f"{len(alerts)} alerts ({first.id} to {last.id}) {plural}"
    )
    yield AuditProblem(kind, f"{what} ({cause}{detail})", first.created_at, last.created_at, len(alerts), cause=cause)


def _failed_elsewhere(failed: FailedElsewhere) -> AuditProblem:
    where = failed.destination.partition(" ")[0]
    deliveries = "one delivery" if failed.count == 1 else f"{failed.count} deliveries"
    text = f"{deliveries} to {failed.destination} failed permanently: {failed.error}"
    return AuditProblem(
        ProblemKind.ALERTS_UNSENT,
        text,
        failed.first_at,
        failed.last_at,
        failed.count,
        cause=f"{where} refused for good",
    )


def _acknowledged(each: Acknowledgement) -> AuditProblem:
    note = f" ({each.note})" if each.note else ""
    # A person has one word; why it ended by itself has several.
    ended = f"; ended{': ' if ' ' in each.ended_by else ' by '}{each.ended_by}"
    over = ended if each.ended_by else f" until {_minute(each.ends_at)} at most"
    held_back = counted(each.held_back, "reminder")
    had = "had it from" if each.ended_by else "has had it since"
    text = f"{each.key}: {each.by} {had} {_minute(each.at)}{over}{note}, {held_back} held back"
    return AuditProblem(
        ProblemKind.ACKNOWLEDGED, text, each.at, each.ends_at, cause=f"by {each.by}", breaks_silence=False
    )


def _silence(found: SilenceInForce, now: datetime) -> AuditProblem:
    silence = found.silence
    why = ": ".join(filter(None, (f"by {silence.created_by}" if silence.created_by else "", silence.reason)))
    why = f" ({why})" if why else ""
    span = f"covers {silence.what} until {_minute(silence.ends_at)}"
    if silence.ends_at <= now:
        span = f"covered {silence.what} and ended at {_minute(silence.ends_at)}"
    text = f"silence {silence.id} {span}{why}, {silence.silenced} held back"
    if found.critical:
        who = f" of {silence.created_by}" if silence.created_by else ""
        text += f"; CRITICAL now and covered by this silence{who}: {', '.join(found.critical)}"
    idle = now - (silence.last_at or silence.starts_at)
    if silence.ends_at > now and idle >= _UNUSED:
        text += f"; nothing to hold back for {format_duration(idle)}: end it with `silence --end {silence.id}`"
    return AuditProblem(
        ProblemKind.SILENCE, text, silence.starts_at, silence.ends_at, cause=silence.reason, breaks_silence=False
    )


def _gaps(facts: Facts) -> Iterator[AuditProblem]:
    begins_at = facts.begins_at
    if begins_at is not None and facts.since < begins_at < facts.until:
        first = _minute(begins_at + timedelta(microseconds=1))  # a schedule begins just before its first tick
        text = f"the ledger has no schedule before {first}, so it is unknown what was due ({facts.begins_why})"
        yield AuditProblem(ProblemKind.LEDGER_GAP, text, facts.since, begins_at, cause=facts.begins_why)
    elif not facts.profiles:
        text = "no schedule was in force: nothing was due, and nothing can be verified"
        yield AuditProblem(ProblemKind.NOTHING_SCHEDULED, text, facts.since, facts.until, cause=facts.begins_why)


def _stepped(step: ClockStep) -> AuditProblem:
    """Ticks that a step forward skipped are missed, a problem of their own; after a step back time repeats."""
    by, last, following = format_duration(abs(step.by)), _minute(step.last_at), _minute(step.next_at)
    if step.by > timedelta(0):
        text = f"the clock was stepped forward by {by} between the run of {last} and {following}"
        return AuditProblem(
            ProblemKind.CLOCK_SET_AHEAD, text, step.last_at, step.next_at, cause=f"by {by}", breaks_silence=False
        )
    text = (
        f"the clock was stepped back by {by}: after the run of {last} came {following}; ticks due in the "
        "repeated time are judged by their second occurrence"
    )
    return AuditProblem(ProblemKind.CLOCK_SET_BACK, text, step.next_at, step.last_at, cause=f"by {by}")


def _undrilled(facts: Facts, older_than: timedelta) -> Iterator[AuditProblem]:
    how = "run `python -m automation drill`"
    if facts.drill is None:
        text = f"no drill of the alarm path is recorded: {how}"
        yield AuditProblem(
            ProblemKind.NOT_DRILLED, text, facts.until, facts.until, cause="none is recorded", breaks_silence=False
        )
    elif facts.until - facts.drill[0] > older_than:
        age = format_duration(facts.until - facts.drill[0])
        text = f"the alarm path was last drilled {age} ago: {how}"
        yield AuditProblem(ProblemKind.NOT_DRILLED, text, facts.drill[0], facts.until, cause=age, breaks_silence=False)


def _minute(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%d %H:%M")
