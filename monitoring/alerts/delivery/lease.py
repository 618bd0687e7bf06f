"""Takes the next messages out of the outbox, one for each far side, by compare-and-set under a lease.

Order: the worst severity first; within a chat and severity as raised. Called by the delivery loop inside its write
transaction; nothing here talks to a far side.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from monitoring.alerts.delivery import rate_limit
from monitoring.alerts.delivery.coalesce import Folded, Why, fold
from monitoring.alerts.delivery.destinations import Destination, TelegramChat, Webhook
from monitoring.alerts.delivery.rate_limit import RateLimits
from monitoring.alerts.delivery.route_resolver import (
    FanOut,
    FarSide,
    LaneQueue,
    RouteResolver,
    Undeliverable,
    limits_of,
)
from monitoring.alerts.message.model import Alert, Severity
from monitoring.alerts.senders import Message
from monitoring.store.db.database import Tx
from monitoring.store.db.waits import LEASE, REFUSED_PAUSES
from monitoring.store.tables import alerts as stored_alerts
from monitoring.store.tables import outbox, rate_limits
from monitoring.store.tables.alerts import StoredAlert
from monitoring.store.tables.deliveries import Own
from monitoring.store.tables.outbox import WaitingDelivery
from monitoring.store.tables.rate_limits import FAILING, Lane

log = logging.getLogger("monitoring.delivery")

# While a chat fails, a message that failed so often lets the others of its severity pass: one must not stop all.
STEP_ASIDE_AFTER = 5
# Each kind of destination has this many threads of its own, so that none delays another.
MOST_AT_ONCE = 8
# Of those, so many for machines on one host; one that does not answer gets a single one until it does.
_MOST_PER_HOST, _MOST_OF_SILENT_HOST = 4, 1
_MOST_FOLDED, _MOST_FOLDED_WAITED = 500, 5000
_BY_URGENCY = sorted(Severity, reverse=True)


@dataclass(frozen=True, slots=True)
class Job:
    """One message on its way, and the rows behind it."""

    delivery: WaitingDelivery
    destination: Destination
    far_side: FarSide
    message: Message
    source: str


@dataclass(slots=True)
class Claimed:
    """What was taken, and when there may be more to take."""

    jobs: list[Job]
    next_at: datetime | None = None

    def look_again(self, at: datetime) -> None:
        self.next_at = at if self.next_at is None else min(self.next_at, at)


@dataclass(slots=True)
class _Room:
    """How many more may be sent at once, by kind and by what far sides share."""

    lanes: set[str]
    kinds: Counter[str] = field(default_factory=Counter)
    shared: Counter[str | None] = field(default_factory=Counter)

    def take(self, far_side: FarSide) -> None:
        self.lanes.add(far_side.key)
        self.kinds[far_side.kind] += 1
        self.shared[far_side.shared_key] += 1

    def is_for(self, far_side: FarSide) -> bool:
        return far_side.key not in self.lanes and self.kinds[far_side.kind] < MOST_AT_ONCE

    def is_shared_by_one_more(self, far_side: FarSide, shared: Lane) -> bool:
        most = MOST_AT_ONCE if far_side.kind == "telegram" else _MOST_PER_HOST
        return self.shared[far_side.shared_key] < (_MOST_OF_SILENT_HOST if shared.failures else most)


@dataclass(frozen=True, slots=True)
class Claimer:
    """Claims for one deliverer, known in leases as `owner`; with `own` only what its process raised."""

    owner: str
    ways: RouteResolver
    limits: RateLimits
    own: Own | None = None

    def claim(self, tx: Tx, queues: Sequence[LaneQueue], now: datetime, in_flight: Collection[FarSide]) -> Claimed:
        """Take at most one message for each lane that is free, as many as there is room for, the most urgent first."""
        claimed, room = Claimed([]), _Room(set())
        for far_side in in_flight:
            room.take(far_side)
        for queue in queues:
            if room.is_for(queue.far_side) and (job := self._next(tx, queue, now, room, claimed)) is not None:
                claimed.jobs.append(job)
                room.take(queue.far_side)
        return claimed

    def _next(self, tx: Tx, queue: LaneQueue, now: datetime, room: _Room, claimed: Claimed) -> Job | None:
        lane = rate_limits.get(tx, queue.far_side.key, now)
        if lane.lease_owner not in (None, self.owner) and lane.lease_until and lane.lease_until > now:
            claimed.look_again(lane.lease_until)
            return None
        shared = rate_limits.get(tx, queue.far_side.shared_key, now) if queue.far_side.shared_key else None
        if shared is not None and not room.is_shared_by_one_more(queue.far_side, shared):
            return None  # one that ends makes the loop look again
        turn = _Turn(tx, self, queue, lane, shared, now)
        for head, destination in turn.heads():
            ready_at = turn.ready_at(head, destination)
            if ready_at <= now:
                return self._take(turn, head, destination, claimed)
            claimed.look_again(ready_at)
        return None

    def _take(self, turn: _Turn, head: WaitingDelivery, destination: Destination, claimed: Claimed) -> Job | None:
        """Take a message; a row that cannot be read must stop no other one."""
        try:
            with turn.tx:
                job = turn.take(head, destination)
        except (ValueError, TypeError, LookupError) as error:
            log.error("delivery %d cannot be read: %s", head.id, type(error).__name__)  # noqa: TRY400 - one line
            why = f"its row cannot be read ({type(error).__name__})"
            outbox.step_aside(turn.tx, head.id, max(head.attempts, STEP_ASIDE_AFTER), turn.now, why)
            claimed.look_again(turn.now)
            return None
        return job


@dataclass(frozen=True, slots=True)
class _Turn:
    """One look at one lane, inside one transaction."""

    tx: Tx
    claimer: Claimer
    queue: LaneQueue
    lane: Lane
    shared: Lane | None
    now: datetime

    def heads(self) -> Iterator[tuple[WaitingDelivery, Destination]]:
        """Return the first in line of each severity, the worst severity first."""
        for severity in _BY_URGENCY:
            head = outbox.head(
                *self._line,
                severity_rank=severity,
                now=self.now,
                aside_after=STEP_ASIDE_AFTER if self.lane.failures else 1,
                own=self.claimer.own,
            )
            way = self.claimer.ways.destination(head.destination, head.channel) if head else None
            if head is not None and not isinstance(way, Undeliverable | FanOut | None):
                yield head, way

    @property
    def _line(self) -> tuple[Tx, str, tuple[str, ...]]:
        return self.tx, self.queue.row_destination, self.queue.channels

    def ready_at(self, head: WaitingDelivery, destination: Destination) -> datetime:
        """Return when this message may go: not leased, due, the far side willing, within the pace."""
        at, limits = self.now.timestamp(), self.claimer.limits
        wait_s = rate_limit.wait_s(limits_of(limits, destination, head.severity_rank), self.lane.sent, at)
        if self.shared is not None and isinstance(destination, TelegramChat):
            wait_s = max(wait_s, limits.bot.wait_s(self.shared.sent, at))
        instants = [head.next_attempt_at, head.lease_until, *self._blocks(head)]
        return max(
            self.now + timedelta(seconds=wait_s), *(instant for instant in instants if instant is not None), self.now
        )

    def _blocks(self, head: WaitingDelivery) -> Iterator[datetime | None]:
        """Return until when the far side, and what it shares with others, are left alone."""
        if not self._may_try(self.lane, head):
            yield self.lane.blocked_until
        if self.shared is None:
            return
        if self.shared.block_reason == FAILING:  # a host that answers no other machine may still answer this one
            yield self.shared.blocked_until if self.lane.failures else None
        elif not self._may_try(self.shared, head):
            yield self.shared.blocked_until

    def _may_try(self, lane: Lane, head: WaitingDelivery) -> bool:
        """Tell whether a message may pass the time for which a far side is left alone.

        The first try of a HIGH or CRITICAL alert passes our own back-off. One raised since the last try passes a
        refusal, once a minute: it may be over. What a far side asked for holds for all; what it refused with other
        settings than now, for none.
        """
        if lane.block_reason == FAILING:
            return head.attempts == 0 and head.severity_rank >= Severity.HIGH
        if not lane.is_refused or lane.block_reason != rate_limits.refused_with(self.queue.far_side.mark):
            return lane.is_refused
        last_try = lane.sent[-1] if lane.sent else 0.0
        rested = self.now.timestamp() - last_try >= REFUSED_PAUSES[0].total_seconds()
        return rested and outbox.has_untried_since(*self._line, datetime.fromtimestamp(last_try, UTC), Severity.HIGH)

    def take(self, head: WaitingDelivery, destination: Destination) -> Job | None:
        """Claim the message and count it against the pace before it goes: a crash must not lend a second one."""
        members, why = self._folded_with(head, destination)
        leader = members[0] if members else head
        if not outbox.claim(self.tx, leader.id, self.claimer.owner, self.now, self.now + LEASE):
            return None
        outbox.fold(self.tx, leader.id, [member.id for member in members])
        self._count_send()
        leader = replace(leader, attempts=leader.attempts + 1, lease_owner=self.claimer.owner)
        return _job(self.tx, leader, destination, self.queue.far_side, why, self.now)

    def _folded_with(self, head: WaitingDelivery, destination: Destination) -> tuple[list[WaitingDelivery], Why]:
        """Return what is folded into one message; nothing if the head goes by itself."""
        if isinstance(destination, Webhook) or head.parts_sent:
            return [], Why.PACE
        if head.status == "skipped_missing_credentials":
            return self._more_than_one(self._waited(), destination), Why.WAITED
        if head.severity_rank == Severity.LOW and isinstance(destination, TelegramChat):
            found = self._more_than_one(self._low_beyond_budget(destination), destination)
            return (found if found and found[0].id == head.id else []), Why.PACE
        return [], Why.PACE

    def _waited(self) -> list[WaitingDelivery]:
        return outbox.waiting_for_credentials(*self._line, self.now, _MOST_FOLDED_WAITED, own=self.claimer.own)

    def _low_beyond_budget(self, chat: TelegramChat) -> list[WaitingDelivery]:
        """Return the LOW ones if more of them wait than may go one by one."""
        budget = max(1, self.claimer.limits.low_budget(chat.chat_id, self.lane.sent, self.now.timestamp()))
        if outbox.count_of_rank(*self._line, Severity.LOW, budget + 1) <= budget:
            return []
        return outbox.foldable(*self._line, self.now, _MOST_FOLDED, severity_rank=Severity.LOW, own=self.claimer.own)

    def _more_than_one(self, found: list[WaitingDelivery], destination: Destination) -> list[WaitingDelivery]:
        """Keep those that go to the same topic of the chat, if they are more than one."""
        ways = self.claimer.ways
        same = [each for each in found if ways.destination(each.destination, each.channel) == destination]
        return same if len(same) > 1 else []

    def _count_send(self) -> None:
        limits, owner = self.claimer.limits, self.claimer.owner
        sent = recent((*self.lane.sent, self.now.timestamp()), self.now, limits.longest_window_s)
        rate_limits.put(self.tx, replace(self.lane, lease_owner=owner, lease_until=self.now + LEASE, sent=sent))
        if self.shared is not None:
            sent = recent((*self.shared.sent, self.now.timestamp()), self.now, limits.bot.window_s)
            rate_limits.put(self.tx, replace(self.shared, sent=sent))


def recent(sent: tuple[float, ...], now: datetime, window_s: float) -> tuple[float, ...]:
    """Forget sends that no limit looks at any more."""
    return tuple(at for at in sent if at > now.timestamp() - window_s)


def _job(
    tx: Tx, delivery: WaitingDelivery, destination: Destination, far_side: FarSide, why: Why, now: datetime
) -> Job:
    stored = stored_alerts.get(tx, delivery.alert_id)
    if stored is None:  # the foreign key forbids it
        raise LookupError(f"delivery {delivery.id} has no alert {delivery.alert_id}")
    folded = outbox.folded_alert_ids(tx, delivery.id)
    alert = alert_of(stored)
    if folded:
        others = [found for alert_id in folded if (found := stored_alerts.get(tx, alert_id)) is not None]
        reason = Why.WAITED if delivery.status == "skipped_missing_credentials" else why
        alert = fold([_shown(each) for each in (stored, *others)], reason, now)
    message = Message(
        stored.id, stored.created_at, alert, delivery.parts_sent,
        event_type=stored.kind, condition=stored.dedupe_key or "", level=alert.severity.name,
    )  # fmt: skip
    return Job(delivery, destination, far_side, message, stored.source)


def alert_of(stored: StoredAlert) -> Alert:
    """Return the structured text of a row; one that has none, or a damaged one, is sent as its plain text."""
    if stored.body_json:
        try:
            return Alert.from_json(stored.body_json)
        except ValueError:
            pass
    title, _, rest = stored.message.partition("\n")
    return Alert(
        _severity(stored),
        stored.title or title,
        *([rest] if rest and not stored.title else [stored.message] if stored.title else []),
        protocol=stored.protocol,
        channel=stored.channel,
        silent=stored.silent or None,
    )


def _severity(stored: StoredAlert) -> Severity:
    """Return MEDIUM where the old system wrote none or one of its own: it sounds and no machine acts on it."""
    return Severity.__members__.get((stored.severity or "").upper(), Severity.MEDIUM)


def _shown(stored: StoredAlert) -> Folded:
    return Folded(
        stored.id,
        _severity(stored),
        stored.protocol,
        stored.title or stored.message.split("\n", 1)[0],
        stored.created_at,
    )
