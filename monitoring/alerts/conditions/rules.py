"""When a standing problem is told, told again, and told to be over: pure rules over the rows of `conditions`.

Called by `record` for `alert(key=…)` and `resolve(key)`; the engine's checks write the same rows by the same states.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from monitoring.alerts.message.model import Severity
from monitoring.store.tables.conditions import Condition, ConditionKey

REMIND_AFTER = timedelta(hours=24)  # ours: a standing problem is brought up once a day
# Ours: while the problem lasts, what was given up undelivered is raised again at most this often.
RETELL_AFTER = timedelta(hours=1)


class Reason(StrEnum):
    """Why something is told, or is not."""

    FIRED = "fired"
    WORSENED = "worsened"
    REMINDED = "reminded"
    UNTOLD = "untold"  # it fires, and so far nobody heard of it (silence, DEBUG, given up)
    REPEATED = "repeated"
    PENDING = "pending"
    RESOLVED = "resolved"
    CLEARING = "clearing"
    NEVER_FIRED = "never fired"
    NOT_FIRING = "not firing"

    @property
    def is_told(self) -> bool:
        """Tell whether this makes a message."""
        return self in _TOLD


_TOLD = frozenset({Reason.FIRED, Reason.WORSENED, Reason.REMINDED, Reason.UNTOLD, Reason.RESOLVED})


@dataclass(frozen=True, slots=True)
class Policy:
    """How a condition behaves in time.

    `fire_after`: raised for so long before it fires. `clear_after`: resolved for so long before it is over.
    `remind_after`: told again while it stands; never if none.
    """

    fire_after: timedelta = timedelta(0)
    clear_after: timedelta = timedelta(0)
    remind_after: timedelta | None = REMIND_AFTER


@dataclass(frozen=True, slots=True)
class Decision:
    """The row as it must be written, and why a message is made of it or not."""

    reason: Reason
    condition: Condition


def raised(
    before: Condition | None,
    key: ConditionKey,
    severity: Severity,
    now: datetime,
    policy: Policy,
    *,
    untold: bool = False,
) -> Decision:
    """Decide about a problem that is seen now.

    `untold` says that the message of this firing reached nobody and is not under way either.
    """
    before = _until_now(before, now)
    if before is None or before.state == "ok":
        before = Condition(
            key, "pending", severity.name, severity.name, since=now, data_json=before.data_json if before else None
        )
    seen = replace(
        before,
        severity=severity.name,
        worst=max(Severity[before.worst], severity).name,
        last_seen_at=now,
        clear_since=None,
        times=before.times + 1,
    )
    if before.state == "pending":
        if now - (before.since or now) < policy.fire_after:
            return Decision(Reason.PENDING, seen)
        return Decision(Reason.FIRED, replace(seen, state="firing", fired_at=now))
    return Decision(_why_again(before, severity, now, policy, untold=untold), seen)


def _why_again(before: Condition, severity: Severity, now: datetime, policy: Policy, *, untold: bool) -> Reason:
    if severity > Severity[before.worst]:
        return Reason.WORSENED
    if untold:
        return Reason.UNTOLD
    told_at = before.last_sent_at or before.fired_at or now
    if policy.remind_after is not None and now - told_at >= policy.remind_after:
        return Reason.REMINDED
    return Reason.REPEATED


def resolved(before: Condition | None, key: ConditionKey, now: datetime, policy: Policy) -> Decision:
    """Decide about a problem that is not seen now; what never fired ends without a word."""
    before = _until_now(before, now)
    if before is None or before.state == "ok":
        return Decision(Reason.NOT_FIRING, before or Condition(key))
    over = replace(before, state="ok", times=0, since=now, clear_since=None)
    if before.state == "pending":
        return Decision(Reason.NEVER_FIRED, over)
    clear_since = before.clear_since or now
    if now - clear_since < policy.clear_after:
        return Decision(Reason.CLEARING, replace(before, clear_since=clear_since))
    return Decision(Reason.RESOLVED, over)


def _until_now(before: Condition | None, now: datetime) -> Condition | None:
    """Return the row with no instant later than now: a clock that was ahead would hold it back for as long."""

    def past(at: datetime | None) -> datetime | None:
        return None if at is None else min(at, now)

    if before is None:
        return None
    return replace(
        before, since=past(before.since), fired_at=past(before.fired_at), last_seen_at=past(before.last_seen_at),
        last_sent_at=past(before.last_sent_at), clear_since=past(before.clear_since),
    )  # fmt: skip


def is_untold(condition: Condition, alert_status: str | None, now: datetime) -> bool:
    """Tell whether the last message of a firing condition reached nobody and never will.

    `alert_status` is the delivery status of that message, none if its row is gone.
    """
    if alert_status in ("silenced", "skipped_debug"):
        return True
    told_at = condition.last_sent_at or condition.fired_at
    return alert_status == "failed" and (told_at is None or not now - RETELL_AFTER < told_at <= now)
