"""The only rules by which a condition changes.

A judge turns a reading into a verdict and calls `apply_verdict`, or `happened` for what happens and does not last.
`raised` and `resolved` are `m.alert(key=…)` and `m.resolve`: a breach of that key, and a good reading of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeAlias

from monitoring.conditions.condition import Condition, Held, NoData, State
from monitoring.conditions.outcome import NO_FACTS, Entry, Outcome, Reason, Transition, TransitionKind
from monitoring.conditions.policy import Policy
from monitoring.conditions.severity import Severity
from monitoring.conditions.values import Absent, Number, Unknown, Value


@dataclass(frozen=True, slots=True)
class Ok:
    """The reading is within its bounds, with any distance a `clear` bound asks for."""


@dataclass(frozen=True, slots=True)
class Hysteresis:
    """No breach any more, but not far enough back to call it over."""


@dataclass(frozen=True, slots=True)
class Breach:
    """The reading breaches `ladder[rank]`; a larger `measure` is worse (None: it cannot be measured)."""

    ladder: tuple[Severity, ...]
    rank: int = 0
    measure: Number | None = None


Verdict: TypeAlias = Ok | Hysteresis | Breach | Unknown | Absent
_SEVERITIES = tuple(Severity)


@dataclass(frozen=True, slots=True)
class _Observation:
    """What every step looks at."""

    now: datetime
    policy: Policy
    facts: Mapping[str, Value]


def apply_verdict(
    before: Condition, verdict: Verdict, now: datetime, policy: Policy, facts: Mapping[str, Value] = NO_FACTS
) -> Outcome:
    """Apply a verdict.

    1. Unknown changes nothing but the count of unknown readings.
    2. Good and `none` end a condition, after `clear_after`; only one that fired is reported as recovered.
    3. A breach counts towards `for` at every level it reaches, fires when a level has held, and is reported again only
       when a worse level has held, when it is worse by `worse_by`, when the last message reached nobody, or when a
       reminder is due.
    """
    if isinstance(verdict, Unknown):
        return no_data(before, verdict, now, policy)
    condition, source = data_restored(before, now)
    sight = _Observation(now, policy, facts)
    if isinstance(verdict, Breach):
        outcome = _breach(condition, verdict, sight)
    elif isinstance(verdict, Hysteresis):
        outcome = _between(condition, sight)
    else:
        reason = Reason.DOES_NOT_APPLY if isinstance(verdict, Absent) else Reason.GOOD
        outcome = _end(condition, reason, sight)
    return replace(outcome, source=source)


def raised(before: Condition, severity: Severity, now: datetime, policy: Policy) -> Outcome:
    """Judge a problem that is seen now; of `for` all severities count as one."""
    return apply_verdict(before, Breach(_SEVERITIES, severity), now, policy)


def resolved(before: Condition, now: datetime, policy: Policy) -> Outcome:
    """Judge a problem that is not seen now; what never fired ends without a word."""
    outcome = apply_verdict(before, Ok(), now, policy)
    return replace(outcome, reason=Reason.NEVER_FIRED) if before.state is State.PENDING else outcome


def happened(
    before: Condition,
    now: datetime,
    severity: Severity,
    facts: Mapping[str, Value] = NO_FACTS,
    entries: tuple[Entry, ...] = (),
) -> Outcome:
    """Report something that happened and does not last: it is an incident for a day, and never recovers."""
    condition, source = data_restored(before, now)
    transition = Transition(TransitionKind.FIRED, severity, Reason.HAPPENED, now, facts, entries)
    return Outcome(at_rest(condition, severity, now), Reason.HAPPENED, transition, source)


def at_rest(condition: Condition, severity: Severity, now: datetime) -> Condition:
    """Return the condition of what was reported just now and does not last.

    The release before knows no such incident: for it the condition is over, so it says nothing of it either.
    """
    again = condition.happened_once(now)
    return replace(
        over(condition, now),
        severity=severity,
        worst=max(condition.worst, severity) if again else severity,
        fired_at=condition.fired_at if again else now,
        times=condition.times + 1 if again else 1,
        last_seen_at=now,
        last_sent_at=None,
        clear_since=now,
        done_by="",
    )


def done(condition: Condition, by: str) -> Condition:
    """Return the condition after somebody said that what happened once is done with."""
    return condition if condition.is_firing else replace(condition, clear_since=None, done_by=by)


def entries_changed(
    outcome: Outcome, entries: tuple[Entry, ...], now: datetime, kind: TransitionKind = TransitionKind.WORSENED
) -> Outcome:
    """Report entries that joined (or left) a condition which was firing before and still is."""
    condition, severity = outcome.condition, max(entry.severity for entry in entries)
    transition = Transition(kind, severity, Reason.HAPPENED, condition.since or now, entries=entries)
    condition = replace(condition, worst=max(severity, condition.worst), heard_at=now)
    return replace(outcome, condition=condition, transition=transition, reason=Reason.HAPPENED)


def unchanged(before: Condition, now: datetime, reason: Reason = Reason.NOTHING_NEW) -> Outcome:
    """Accept a known reading that says nothing."""
    condition, source = data_restored(before, now)
    return Outcome(condition, reason, None, source)


def no_data(before: Condition, unknown: Unknown, now: datetime, policy: Policy) -> Outcome:
    """Count an unknown reading; past the silence limit report the source, once."""
    before = _until_now(before, now)
    last = before.no_data or NoData(now, 0)
    seen = replace(last, runs=last.runs + 1, source=unknown.source, reason=unknown.reason, reported_as="")
    if seen.reported or not policy.silence.is_over(seen.runs, seen.since, now, is_whole=unknown.is_whole):
        return Outcome(replace(before, no_data=seen), Reason.UNKNOWN)
    trouble = Transition(
        TransitionKind.SOURCE_TROUBLE,
        policy.severity,
        Reason.SILENT_SOURCE,
        seen.since,
        {"source": unknown.source} if unknown.source else NO_FACTS,
        detail=unknown.reason,
    )
    return Outcome(replace(before, no_data=replace(seen, reported=True)), Reason.SILENT_SOURCE, None, trouble)


def data_restored(before: Condition, now: datetime) -> tuple[Condition, Transition | None]:
    """Forget that the value was unknown; if that had been reported, say that it is known again."""
    before = _until_now(before, now)
    was = before.no_data
    if was is None:
        return before, None
    condition = replace(before, no_data=None)
    if not was.reported:
        return condition, None
    severity = Severity.LOW if before.state is State.OK else before.severity
    return condition, Transition(TransitionKind.SOURCE_RECOVERED, severity, Reason.CLEARED, was.since)


def _until_now(before: Condition, now: datetime) -> Condition:
    """Return what is remembered with no instant later than now.

    A clock that was ahead once would hold back `for`, `remind` and the report of a source for as long as it was ahead.
    """
    instants = (
        before.since, before.fired_at, before.last_seen_at, before.last_sent_at, before.clear_since, before.heard_at,
        *(one.since for one in before.held), before.no_data.since if before.no_data else None,
    )  # fmt: skip
    if all(at is None or at <= now for at in instants):
        return before

    def past(at: datetime | None) -> datetime | None:
        return None if at is None else min(at, now)

    unseen = before.no_data
    return replace(
        before, since=past(before.since), fired_at=past(before.fired_at), last_seen_at=past(before.last_seen_at),
        last_sent_at=past(before.last_sent_at), clear_since=past(before.clear_since), heard_at=past(before.heard_at),
        held=tuple(replace(one, since=min(one.since, now)) for one in before.held),
        no_data=replace(unseen, since=min(unseen.since, now)) if unseen else None,
    )  # fmt: skip


def _breach(condition: Condition, bad: Breach, sight: _Observation) -> Outcome:
    hold, severity = sight.policy.hold, bad.ladder[bad.rank]
    held = _hold(condition.held, bad.rank, sight)
    rank = max((rank for rank, one in enumerate(held) if hold.is_met(one.runs, one.since, sight.now)), default=-1)
    times = 0 if condition.state is State.OK else condition.times
    condition = replace(condition, held=held, last_seen_at=sight.now, times=times + 1)
    if condition.is_firing:
        outcome = _worsen(replace(condition, clear_since=None), bad, rank, sight)
    elif rank < 0:
        pending = replace(condition, state=State.PENDING, since=held[0].since, severity=severity, worst=severity)
        return Outcome(pending, Reason.HOLDING)
    else:
        fired = replace(
            condition, state=State.FIRING, since=held[0].since, fired_at=sight.now, clear_since=None,
            last_sent_at=None, worst=Severity.LOW, worst_measure=None, done_by="",
        )  # fmt: skip
        outcome = _report(fired, TransitionKind.FIRED, Reason.BREACHED, replace(bad, rank=rank), sight)
    # A worse level that has not held yet is not shown as one that was reported.
    now_bad = min(severity, outcome.condition.worst)
    return replace(outcome, condition=replace(outcome.condition, severity=now_bad))


def _worsen(condition: Condition, bad: Breach, rank: int, sight: _Observation) -> Outcome:
    if condition.unheard and rank >= 0:
        nobody = replace(condition, worst=Severity.LOW, worst_measure=None)
        return _report(nobody, TransitionKind.FIRED, Reason.UNHEARD, replace(bad, rank=rank), sight)
    if rank > condition.rank:
        return _report(condition, TransitionKind.WORSENED, Reason.HIGHER_LEVEL, replace(bad, rank=rank), sight)
    if _is_worse_by_step(condition, bad, sight.policy):
        return _report(
            condition, TransitionKind.WORSENED, Reason.WORSE_BY_STEP, replace(bad, rank=condition.rank), sight
        )
    return _remind(condition, Reason.STILL_BAD, sight)


def _is_worse_by_step(condition: Condition, bad: Breach, policy: Policy) -> bool:
    if policy.worse_by is None or bad.measure is None or condition.worst_measure is None:
        return False
    return bad.measure >= condition.worst_measure + policy.worse_by


def _between(condition: Condition, sight: _Observation) -> Outcome:
    if not condition.is_firing:
        return _end(condition, Reason.GOOD, sight)
    seen = replace(condition, held=(), last_seen_at=sight.now, times=condition.times + 1)
    return _remind(seen, Reason.IN_CLEAR_BAND, sight)


def _remind(condition: Condition, reason: Reason, sight: _Observation) -> Outcome:
    condition = replace(condition, remind_every=_reminders(condition.worst, sight))
    if condition.heard_at is None:
        # It fires since the release before, which reminded nobody: its first reminder comes one interval from now.
        return Outcome(replace(condition, heard_at=sight.now), reason)
    due_at = condition.next_reminder_at
    if due_at is None or sight.now < due_at:
        return Outcome(condition, reason)
    since = condition.since or sight.now
    transition = Transition(TransitionKind.REMINDER, condition.worst, Reason.REMIND_DUE, since, sight.facts)
    return Outcome(replace(condition, heard_at=sight.now), Reason.REMIND_DUE, transition)


def _reminders(worst: Severity, sight: _Observation) -> timedelta:
    return sight.policy.remind_after(worst) or timedelta(0)


def _report(condition: Condition, kind: TransitionKind, reason: Reason, bad: Breach, sight: _Observation) -> Outcome:
    """Report `bad`; neither the worst severity nor the worst value reported ever sinks while a condition fires."""
    severity = bad.ladder[min(bad.rank, len(bad.ladder) - 1)]
    measure = max((one for one in (condition.worst_measure, bad.measure) if one is not None), default=None)
    worst = max(condition.worst, severity)
    reported = replace(
        condition, worst=worst, rank=bad.rank, worst_measure=measure, heard_at=sight.now, unheard=False,
        remind_every=_reminders(worst, sight), owes_reminder=False,
    )  # fmt: skip
    return Outcome(reported, reason, Transition(kind, severity, reason, condition.since or sight.now, sight.facts))


def _end(condition: Condition, reason: Reason, sight: _Observation) -> Outcome:
    if condition.state is State.OK:
        return Outcome(replace(condition, held=()), reason)
    if condition.is_firing:
        clear_since = condition.clear_since or sight.now
        if sight.now - clear_since < sight.policy.clear_after:
            return Outcome(replace(condition, held=(), clear_since=clear_since), Reason.IN_CLEAR_BAND)
    ended = over(condition, sight.now)
    if condition.state is State.PENDING:
        return Outcome(ended, reason)
    reason, since = Reason.CLEARED if reason is Reason.GOOD else reason, condition.since or sight.now
    ended = replace(ended, clear_since=None)
    return Outcome(ended, reason, Transition(TransitionKind.RECOVERED, condition.worst, reason, since, sight.facts))


def over(condition: Condition, now: datetime) -> Condition:
    """Return the condition without what it fires of; what its verb remembers stays."""
    return replace(
        condition, state=State.OK, since=now, times=0, rank=-1, worst_measure=None, held=(), heard_at=None,
        unheard=False, remind_every=None, owes_reminder=False, inhibited_by="",
    )  # fmt: skip


def _hold(held: tuple[Held, ...], rank: int, sight: _Observation) -> tuple[Held, ...]:
    """Count one more reading for each level up to `rank`; a level above it starts over, or with the first if shared."""
    fresh = held[0] if held and sight.policy.hold.shared else Held(0, sight.now)
    known = [held[index] if index < len(held) else fresh for index in range(rank + 1)]
    return tuple(Held(one.runs + 1, one.since) for one in known)
