"""When a destination may be talked to: its limits, its refusals, our back-off, and the messages about them.

Called inside the write transaction of a delivery loop. Several runs deliver at once, so all of it is in the rows of
`lanes`. A refusal is announced by the way of operational errors, once, and once more when it is over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from monitoring.alerts.channels import OPERATIONAL_SOURCES
from monitoring.alerts.delivery.routes import LaneQueue
from monitoring.alerts.message.model import Alert, Severity
from monitoring.alerts.recording.store_alert import AlertOrigin, raise_in, resolve_in
from monitoring.alerts.senders import Destination, Message, Peer
from monitoring.alerts.senders.limits import RateLimits, wait_s
from monitoring.base.http.retry import Backoff
from monitoring.conditions.condition import ConditionKey, State
from monitoring.conditions.policy import Policy
from monitoring.conditions.transition import over
from monitoring.store.db.database import Tx
from monitoring.store.db.waits import LEASE, LONGEST_WAIT, REFUSED_PAUSES, refused_pause
from monitoring.store.tables import conditions as stored_conditions
from monitoring.store.tables import outbox, rate_limits
from monitoring.store.tables.outbox import WaitingDelivery
from monitoring.store.tables.rate_limits import FAILING, RATE, Lane

_MONITOR, _CHECK = "automation", "delivery"
_RETRIES = "after 1, 5 and 30 minutes, then every hour, and at once after `deliver` or a change of its settings"


@dataclass(frozen=True, slots=True)
class Job:
    """One message on its way, and the rows behind it."""

    delivery: WaitingDelivery
    destination: Destination
    peer: Peer
    message: Message
    source: str

    @property
    def name_of_text(self) -> str:
        """Name the refusal of this one message."""
        return f"{self.peer.key} alert {self.message.id}"


@dataclass(frozen=True, slots=True)
class Pace:
    """The pace of one deliverer, known in leases as `owner`; `jitter` returns numbers from [0, 1)."""

    owner: str
    limits: RateLimits
    backoff: Backoff
    jitter: Callable[[], float]

    # -- before a message goes -----------------------------------------------------------------------------------------

    def ready_at(
        self, tx: Tx, queue: LaneQueue, head: WaitingDelivery, destination: Destination, lane: Lane,
        shared: Lane | None, now: datetime,
    ) -> datetime:  # fmt: skip
        """Return when this message may go: not leased, due, the destination willing, within the pace."""
        at = now.timestamp()
        pause_s = wait_s(destination.limits(self.limits, head.severity_rank), lane.sent, at)
        if shared is not None and queue.peer.shares == "token":
            pause_s = max(pause_s, self.limits.bot.wait_s(shared.sent, at))
        instants = [head.next_attempt_at, head.lease_until, *_blocks(tx, queue, head, lane, shared, now)]
        return max(now + timedelta(seconds=pause_s), *(instant for instant in instants if instant is not None), now)

    def count_send(self, tx: Tx, lane: Lane, shared: Lane | None, now: datetime) -> None:
        """Count a message before it goes: a crash must not lend a second one."""
        sent = _recent((*lane.sent, now.timestamp()), now, self.limits.longest_window_s)
        rate_limits.put(tx, replace(lane, lease_owner=self.owner, lease_until=now + LEASE, sent=sent))
        if shared is not None:
            sent = _recent((*shared.sent, now.timestamp()), now, self.limits.bot.window_s)
            rate_limits.put(tx, replace(shared, sent=sent))

    def next_part_in(self, tx: Tx, job: Job, now: datetime) -> float:
        """Count a part of a long message, keep the lane, and return the seconds until its next part may go."""
        lane = rate_limits.get(tx, job.peer.key, now)
        sent = (*_completed(lane, now), now.timestamp())
        recent = _recent(sent, now, self.limits.longest_window_s)
        rate_limits.put(tx, replace(lane, sent=recent, lease_until=now + LEASE))
        return wait_s(job.destination.limits(self.limits, job.delivery.severity_rank), sent[:-1], now.timestamp())

    # -- after it went, or did not -------------------------------------------------------------------------------------

    def give_back(self, tx: Tx, job: Job, now: datetime) -> Lane:
        """Free the lane; the attempt counts from when it ended, since that is the latest it can have arrived."""
        lane = rate_limits.get(tx, job.peer.key, now)
        is_ours = lane.lease_owner == self.owner
        freed = replace(
            lane,
            lease_owner=None if is_ours else lane.lease_owner,
            lease_until=None if is_ours else lane.lease_until,
            sent=_completed(lane, now),
        )
        rate_limits.put(tx, freed)
        return freed

    def accepted(self, tx: Tx, job: Job, now: datetime, run_id: int | None) -> None:
        """End whatever kept this destination from being talked to, and say so where it had been announced."""
        lane = self.give_back(tx, job, now)
        if lane.block_reason:
            is_over(tx, job.peer.key, now, run_id)
        if job.delivery.attempts > 1:
            is_over(tx, job.name_of_text, now, run_id)
        rate_limits.put(tx, _open(lane))
        self.host_answered(tx, job, now, answered=True)
        shared = rate_limits.get(tx, job.peer.shared_key, now) if job.peer.shared_key else None
        if job.peer.shares == "token" and shared is not None and shared.is_refused:
            is_over(tx, shared.key, now, run_id)
            rate_limits.put(tx, _open(shared))

    def text_refused(self, tx: Tx, job: Job, now: datetime) -> None:
        """The destination refuses one message and takes others."""
        rate_limits.put(tx, _open(self.give_back(tx, job, now)))

    def refused(self, tx: Tx, job: Job, key: str, now: datetime) -> None:
        """Leave a destination, or what it shares with others, alone: longer each time."""
        self.give_back(tx, job, now)
        lane = rate_limits.get(tx, key, now)
        times = lane.failures + 1 if lane.is_refused else 1
        reason = rate_limits.refused_with(job.peer.mark)
        rate_limits.put(
            tx, replace(lane, blocked_until=now + refused_pause(times), block_reason=reason, failures=times)
        )

    def failed(self, tx: Tx, job: Job, asked: timedelta | None, now: datetime) -> None:
        """Leave it alone for as long as it asked, or by its failures in a row."""
        lane = self.give_back(tx, job, now)
        if asked is not None:
            blocked = replace(lane, blocked_until=now + asked, block_reason=RATE, failures=lane.failures + 1)
            rate_limits.put(tx, blocked)
            self._slow_bot_down(tx, job.peer, blocked, now)
            return
        if lane.is_refused:  # no answer does not mean that it accepts again
            rate_limits.put(tx, replace(lane, blocked_until=now + refused_pause(lane.failures)))
            return
        rate_limits.put(tx, self._failing(lane, now))

    def host_answered(self, tx: Tx, job: Job, now: datetime, *, answered: bool) -> None:
        """Remember of a host that serves several machines whether it answers at all, whatever it says."""
        if job.peer.shares != "host" or job.peer.shared_key is None:
            return
        host = rate_limits.get(tx, job.peer.shared_key, now)
        if answered and host.failures:
            rate_limits.put(tx, _open(host))
        elif not answered and not (host.blocked_until and host.blocked_until > now):
            rate_limits.put(tx, self._failing(host, now))

    def after_failures(self, failures: int) -> timedelta:
        """Return our own pause after so many failures in a row."""
        return self.backoff.delay(failures, self.jitter())

    def _failing(self, lane: Lane, now: datetime) -> Lane:
        failures = lane.failures + 1
        return replace(lane, blocked_until=now + self.after_failures(failures), block_reason=FAILING, failures=failures)

    def _slow_bot_down(self, tx: Tx, peer: Peer, blocked: Lane, now: datetime) -> None:
        """Telegram does not say whether a chat or the bot was too fast; two chats at once mean the bot."""
        prefix = blocked.key.rsplit(":", 1)[0] + ":"
        if peer.shared_key and peer.shares == "token" and rate_limits.blocked_by_rate(tx, prefix, now) > 1:
            bot = rate_limits.get(tx, peer.shared_key, now)
            rate_limits.put(tx, replace(bot, blocked_until=blocked.blocked_until, block_reason=RATE))


def asked_wait(seconds: float | None) -> timedelta | None:
    """Return what a destination asked for, six hours at most; none, for our own back-off, if that is no span."""
    if seconds is None or not seconds > 0:  # not a number is neither
        return None
    return timedelta(seconds=min(seconds, LONGEST_WAIT.total_seconds()))


def _blocks(
    tx: Tx, queue: LaneQueue, head: WaitingDelivery, lane: Lane, shared: Lane | None, now: datetime
) -> Iterator[datetime | None]:
    """Return until when the destination, and what it shares with others, are left alone.

    That two chats of a bot asked to wait is no word of a third one: something HIGH or CRITICAL for it is tried once.
    """
    if not _may_try(tx, queue, head, lane, now):
        yield lane.blocked_until
    if shared is None:
        return
    if shared.block_reason == FAILING:  # a host that answers no other machine may still answer this one
        yield shared.blocked_until if lane.failures else None
    elif not _may_try(tx, queue, head, shared, now) and not (shared.block_reason == RATE and _is_urgent_first(head)):
        yield shared.blocked_until


def _may_try(tx: Tx, queue: LaneQueue, head: WaitingDelivery, lane: Lane, now: datetime) -> bool:
    """Return whether a message may pass the time for which a destination is left alone.

    The first try of a HIGH or CRITICAL alert passes our own back-off. One raised since the last try passes a
    refusal, once a minute: it may be over. What a destination asked for holds for all; what it refused with other
    settings than now, for none.
    """
    if lane.block_reason == FAILING:
        return _is_urgent_first(head)
    if not lane.is_refused or lane.block_reason != rate_limits.refused_with(queue.peer.mark):
        return lane.is_refused
    last_try = lane.sent[-1] if lane.sent else 0.0
    rested = now.timestamp() - last_try >= REFUSED_PAUSES[0].total_seconds()
    since = datetime.fromtimestamp(last_try, UTC)
    return rested and outbox.has_untried_since(tx, queue.row_destination, queue.channels, since, Severity.HIGH)


def _is_urgent_first(head: WaitingDelivery) -> bool:
    return head.attempts == 0 and head.severity_rank >= Severity.HIGH


def _open(lane: Lane) -> Lane:
    return replace(lane, blocked_until=None, block_reason="", failures=0)


def _recent(sent: tuple[float, ...], now: datetime, window_s: float) -> tuple[float, ...]:
    """Forget sends that no limit looks at any more."""
    return tuple(at for at in sent if at > now.timestamp() - window_s)


def _completed(lane: Lane, now: datetime) -> tuple[float, ...]:
    """Move the send in flight to the instant it ended."""
    return (*lane.sent[:-1], max(now.timestamp(), lane.sent[-1])) if lane.sent else (now.timestamp(),)


# -- messages to people ------------------------------------------------------------------------------------------------


def announce(tx: Tx, job: Job, why: str, now: datetime, run_id: int | None, *, by: str | None = None) -> None:
    """Say that a destination, or with `by` what it shares with others, refuses; the same is said once."""
    about = f"{_named(job)} waits, and so does what follows. It is tried again {_RETRIES}."
    _raise(tx, job, by or job.peer.key, ("Alerts are not accepted", why, about), now, run_id)


def announce_text(tx: Tx, job: Job, why: str, now: datetime, run_id: int | None) -> None:
    """Say that one message is refused where others pass."""
    about = (
        f"{_named(job)} is refused, other alerts pass. It is tried again {_RETRIES}. Read it with `alerts` or on the "
        f"dashboard; `deliver --drop {job.message.id} --reason …` gives it up."
    )
    _raise(tx, job, job.name_of_text, ("One alert is not accepted", why, about), now, run_id)


def is_over(tx: Tx, name: str, now: datetime, run_id: int | None) -> None:
    """Say that what was announced under this name is over, if it was."""
    resolve_in(tx, _key(name), now=now, origin=AlertOrigin(run_id), note="alerts are accepted again")


def is_text_refused(tx: Tx, peer: Peer, alert_id: int) -> bool:
    """Return whether it is announced that this destination refuses this one message."""
    announced = stored_conditions.get(tx, _key(f"{peer.key} alert {alert_id}"))
    return announced is not None and announced.state is not State.OK


def forget_unused(tx: Tx, used: set[str | None], kinds_without_way: set[str], now: datetime) -> None:
    """Take a destination that refuses for usable again once nothing waits for it, and close its announcement silently.

    What went there goes elsewhere now. Not while something of its kind has no way in this environment: it may be
    what waits for it.
    """
    for key in rate_limits.refused(tx):
        kind = key.partition(":")[0].partition(" ")[0]
        if key in used or ("telegram" if kind == "bot" else kind) in kinds_without_way:
            continue
        rate_limits.forget_refusal(tx, key)
        announced = stored_conditions.get(tx, _key(key))
        if announced is not None and announced.state is not State.OK:
            stored_conditions.put(tx, over(announced, now), now)


def _raise(tx: Tx, job: Job, name: str, texts: tuple[str, str, str], now: datetime, run_id: int | None) -> None:
    if job.source in OPERATIONAL_SOURCES:
        return
    title, *blocks = texts
    alert = Alert(Severity.HIGH, title, *blocks, protocol=_MONITOR, source="ops_error", key=f"{_CHECK}/{name}")
    raise_in(tx, alert, now=now, key=_key(name), origin=AlertOrigin(run_id), policy=Policy(remind=None))


def _key(name: str) -> ConditionKey:
    return ConditionKey(_MONITOR, _CHECK, 0, name)


def _named(job: Job) -> str:
    return f"Alert #{job.message.id} ({job.message.alert.protocol}: {job.message.alert.title})"
