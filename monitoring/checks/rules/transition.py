"""The only rules by which a condition changes.

The verbs turn a reading into a verdict and call `settle`, or `noted` for things that happen rather than last.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeAlias

from monitoring.alerts.message.model import Severity
from monitoring.chains.abi.values import Unknown
from monitoring.checks.expression.values import Absent, Number, Value
from monitoring.checks.rules.condition import (
    NO_FACTS,
    Blindness,
    Condition,
    Entry,
    Held,
    Kind,
    Outcome,
    Reason,
    State,
    Transition,
)
from monitoring.checks.rules.policy import Policy, either


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


@dataclass(frozen=True, slots=True)
class _Sight:
    """What every step of `settle` looks at."""

    now: datetime
    policy: Policy
    facts: Mapping[str, Value]


def settle(
    before: Condition, verdict: Verdict, now: datetime, policy: Policy, facts: Mapping[str, Value] = NO_FACTS
) -> Outcome:
    """Apply a verdict.

    1. Unknown changes nothing but the count of unknown readings.
    2. Good and `none` end a condition; only one that fired is told to have recovered.
    3. Bad counts towards `for` at every level it breaches, fires when a level has held, and is told again only
       when a worse level has held, when it is worse by `worse_by`, or when `remind` is due.
    """
    if isinstance(verdict, Unknown):
        return blinded(before, verdict, now, policy)
    condition, source = sighted(before, now)
    sight = _Sight(now, policy, facts)
    if isinstance(verdict, Breach):
        outcome = _breach(condition, verdict, sight)
    elif isinstance(verdict, Hysteresis):
        outcome = _between(condition, sight)
    else:
        reason = Reason.DOES_NOT_APPLY if isinstance(verdict, Absent) else Reason.GOOD
        outcome = _end(condition, reason, sight)
    return replace(outcome, source=source)


def noted(
    before: Condition,
    now: datetime,
    severity: Severity,
    facts: Mapping[str, Value] = NO_FACTS,
    entries: tuple[Entry, ...] = (),
) -> Outcome:
    """Tell something that happened and does not last: it fires and the condition rests at once."""
    condition, source = sighted(before, now)
    told = replace(condition, state=State.OK, severity=severity, since=now, last_sent=now, held=(), rank=-1, worst=None)
    transition = Transition(Kind.FIRED, severity, Reason.HAPPENED, now, facts, entries)
    return Outcome(told, Reason.HAPPENED, transition, source)


def told_of(outcome: Outcome, entries: tuple[Entry, ...], now: datetime, kind: Kind = Kind.WORSENED) -> Outcome:
    """Tell entries that joined (or left) a condition which was firing before and still is."""
    condition, severity = outcome.condition, max(entry.severity for entry in entries)
    transition = Transition(kind, severity, Reason.HAPPENED, condition.since or now, entries=entries)
    worst = max(severity, either(condition.severity, severity))
    condition = replace(condition, severity=worst, last_sent=now)
    return replace(outcome, condition=condition, transition=transition, reason=Reason.HAPPENED)


def quiet(before: Condition, now: datetime, reason: Reason = Reason.NOTHING_NEW) -> Outcome:
    """Accept a known reading that says nothing."""
    condition, source = sighted(before, now)
    return Outcome(condition, reason, None, source)


def blinded(before: Condition, unknown: Unknown, now: datetime, policy: Policy) -> Outcome:
    """Count an unknown reading; past the silence limit report the source, once."""
    before = _until_now(before, now)
    last = before.blind or Blindness(now, 0)
    blind = replace(last, runs=last.runs + 1, source=unknown.source, reason=unknown.reason)
    if blind.told or not policy.silence.is_over(blind.runs, blind.since, now):
        return Outcome(replace(before, blind=blind), Reason.UNKNOWN)
    trouble = Transition(
        Kind.SOURCE_TROUBLE,
        policy.severity,
        Reason.SILENT_SOURCE,
        blind.since,
        {"source": unknown.source} if unknown.source else NO_FACTS,
        detail=unknown.reason,
    )
    return Outcome(replace(before, blind=replace(blind, told=True)), Reason.SILENT_SOURCE, None, trouble)


def sighted(before: Condition, now: datetime) -> tuple[Condition, Transition | None]:
    """Forget that the value was unknown; if that had been told, say that it is known again."""
    before = _until_now(before, now)
    blind = before.blind
    if blind is None:
        return before, None
    condition = replace(before, blind=None)
    if not blind.told:
        return condition, None
    severity = either(before.severity, Severity.LOW)
    return condition, Transition(Kind.SOURCE_RECOVERED, severity, Reason.CLEARED, blind.since)


def _until_now(before: Condition, now: datetime) -> Condition:
    """Return what is remembered with no instant later than now.

    A clock that was ahead once would hold back `for`, `remind` and the report of a source for as long as it was ahead.
    """
    blind = before.blind
    return replace(
        before,
        since=min(before.since, now) if before.since else None,
        last_sent=min(before.last_sent, now) if before.last_sent else None,
        held=tuple(replace(one, since=min(one.since, now)) for one in before.held),
        blind=replace(blind, since=min(blind.since, now)) if blind else None,
    )


def _breach(condition: Condition, bad: Breach, sight: _Sight) -> Outcome:
    held = _hold(condition.held, bad.rank, sight.now)
    hold = sight.policy.hold
    rank = max((rank for rank, one in enumerate(held) if hold.is_met(one.runs, one.since, sight.now)), default=-1)
    condition = replace(condition, held=held)
    if condition.state is State.FIRING:
        return _worsen(condition, bad, rank, sight)
    if rank < 0:
        pending = replace(condition, state=State.PENDING, since=held[0].since, severity=bad.ladder[bad.rank])
        return Outcome(pending, Reason.HOLDING)
    fired = replace(condition, state=State.FIRING, since=held[0].since, worst=None)
    return _tell(fired, Kind.FIRED, Reason.BREACHED, replace(bad, rank=rank), sight)


def _worsen(condition: Condition, bad: Breach, rank: int, sight: _Sight) -> Outcome:
    if rank > condition.rank:
        return _tell(condition, Kind.WORSENED, Reason.HIGHER_LEVEL, replace(bad, rank=rank), sight)
    if _is_worse_by_step(condition, bad, sight.policy):
        return _tell(condition, Kind.WORSENED, Reason.WORSE_BY_STEP, replace(bad, rank=condition.rank), sight)
    return _remind(condition, Reason.STILL_BAD, sight)


def _is_worse_by_step(condition: Condition, bad: Breach, policy: Policy) -> bool:
    if policy.worse_by is None or bad.measure is None or condition.worst is None:
        return False
    return bad.measure >= condition.worst + policy.worse_by


def _between(condition: Condition, sight: _Sight) -> Outcome:
    if condition.state is not State.FIRING:
        return _end(condition, Reason.GOOD, sight)
    return _remind(replace(condition, held=()), Reason.IN_CLEAR_BAND, sight)


def _remind(condition: Condition, reason: Reason, sight: _Sight) -> Outcome:
    now, policy = sight.now, sight.policy
    sent = condition.last_sent or condition.since or now
    severity, since = either(condition.severity, policy.severity), condition.since or now
    after = policy.remind_after(severity)
    if after is None or now - sent < after:
        return Outcome(condition, reason)
    transition = Transition(Kind.REMINDER, severity, Reason.REMIND_DUE, since, sight.facts)
    return Outcome(replace(condition, last_sent=now), Reason.REMIND_DUE, transition)


def _tell(condition: Condition, kind: Kind, reason: Reason, bad: Breach, sight: _Sight) -> Outcome:
    """Tell of `bad`; neither the severity nor the worst value told ever sinks while a condition fires."""
    severity = bad.ladder[min(bad.rank, len(bad.ladder) - 1)]
    worst = max((one for one in (condition.worst, bad.measure) if one is not None), default=None)
    told = replace(condition, severity=severity, rank=bad.rank, worst=worst, last_sent=sight.now)
    return Outcome(told, reason, Transition(kind, severity, reason, condition.since or sight.now, sight.facts))


def _end(condition: Condition, reason: Reason, sight: _Sight) -> Outcome:
    if condition.state is State.OK:
        return Outcome(replace(condition, held=()), reason)
    ended = Condition(since=sight.now, last_sent=condition.last_sent, memory=condition.memory)
    if condition.state is State.PENDING:
        return Outcome(ended, reason)
    severity, since = either(condition.severity, Severity.LOW), condition.since or sight.now
    reason = Reason.CLEARED if reason is Reason.GOOD else reason
    ended = replace(ended, last_sent=sight.now)
    return Outcome(ended, reason, Transition(Kind.RECOVERED, severity, reason, since, sight.facts))


def _hold(held: tuple[Held, ...], rank: int, now: datetime) -> tuple[Held, ...]:
    """Count one more reading for each level up to `rank`; a level above it starts over."""
    fresh = Held(0, now)
    known = [held[index] if index < len(held) else fresh for index in range(rank + 1)]
    return tuple(Held(one.runs + 1, one.since) for one in known)
