"""Takes the next messages out of the outbox, one for each destination, by compare-and-set under a lease.

Order: the worst severity first; within a chat and severity as raised. Called by the delivery loop inside its write
transaction; nothing here talks to a destination.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from monitoring.alerts.delivery import threads
from monitoring.alerts.delivery.buttons import can_have_buttons
from monitoring.alerts.delivery.coalesce import Why, message_of
from monitoring.alerts.delivery.pace import Job, Pace
from monitoring.alerts.delivery.routes import FanOut, LaneQueue, RouteResolver, Undeliverable
from monitoring.alerts.message.model import Severity
from monitoring.alerts.senders import Destination, Peer
from monitoring.store.db.database import Tx
from monitoring.store.db.waits import LEASE
from monitoring.store.tables import outbox, rate_limits
from monitoring.store.tables.deliveries import Own
from monitoring.store.tables.outbox import WaitingDelivery
from monitoring.store.tables.rate_limits import Lane

log = logging.getLogger("monitoring.delivery")

# While a chat fails, a message that failed so often lets the others of its severity pass: one must not stop all.
STEP_ASIDE_AFTER = 5
# Each kind of destination has this many threads of its own, so that none delays another.
MOST_AT_ONCE = 8
# Of those, so many for machines on one host; one that does not answer gets a single one until it does.
_MOST_PER_HOST, _MOST_OF_SILENT_HOST = 4, 1
_MOST_FOLDED, _MOST_FOLDED_WAITED = 500, 5000
_BY_URGENCY = sorted(Severity, reverse=True)


@dataclass(slots=True)
class Claimed:
    """What was taken, and when there may be more to take."""

    jobs: list[Job]
    next_at: datetime | None = None

    def look_again(self, at: datetime) -> None:
        self.next_at = at if self.next_at is None else min(self.next_at, at)


@dataclass(slots=True)
class _FreeSlots:
    """How many more may be sent at once, by kind and by what destinations share."""

    lanes: set[str]
    kinds: Counter[str] = field(default_factory=Counter)
    shared: Counter[str | None] = field(default_factory=Counter)

    def take(self, peer: Peer) -> None:
        self.lanes.add(peer.key)
        self.kinds[peer.kind] += 1
        self.shared[peer.shared_key] += 1

    def is_for(self, peer: Peer) -> bool:
        return peer.key not in self.lanes and self.kinds[peer.kind] < MOST_AT_ONCE

    def is_shared_by_one_more(self, peer: Peer, shared: Lane) -> bool:
        most = MOST_AT_ONCE if peer.shares == "token" else _MOST_PER_HOST
        return self.shared[peer.shared_key] < (_MOST_OF_SILENT_HOST if shared.failures else most)


@dataclass(frozen=True, slots=True)
class Claimer:
    """Claims for one deliverer, known in leases as `pace.owner`; with `own` only what its process raised.

    `bot_read` returns the number of the bot whose taps are read on this host now, nothing where none are.
    """

    ways: RouteResolver
    pace: Pace
    own: Own | None = None
    bot_read: Callable[[datetime], str] = lambda _now: ""

    def claim(self, tx: Tx, queues: Sequence[LaneQueue], now: datetime, in_flight: Collection[Peer]) -> Claimed:
        """Take at most one message for each lane that is free, as many as there is room for, the most urgent first."""
        claimed, room = Claimed([]), _FreeSlots(set())
        for peer in in_flight:
            room.take(peer)
        for queue in queues:
            if room.is_for(queue.peer) and (job := self._next(tx, queue, now, room, claimed)) is not None:
                claimed.jobs.append(job)
                room.take(queue.peer)
        return claimed

    def _next(self, tx: Tx, queue: LaneQueue, now: datetime, room: _FreeSlots, claimed: Claimed) -> Job | None:
        lane = rate_limits.get(tx, queue.peer.key, now)
        if lane.lease_owner not in (None, self.pace.owner) and lane.lease_until and lane.lease_until > now:
            claimed.look_again(lane.lease_until)
            return None
        shared = rate_limits.get(tx, queue.peer.shared_key, now) if queue.peer.shared_key else None
        if shared is not None and not room.is_shared_by_one_more(queue.peer, shared):
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
        return self.claimer.pace.ready_at(self.tx, self.queue, head, destination, self.lane, self.shared, self.now)

    def take(self, head: WaitingDelivery, destination: Destination) -> Job | None:
        """Claim the message and count it against the pace."""
        members, why = self._folded_with(head, destination)
        leader, pace = members[0] if members else head, self.claimer.pace
        if not outbox.claim(self.tx, leader.id, pace.owner, self.now, self.now + LEASE):
            return None
        outbox.fold(self.tx, leader.id, [member.id for member in members])
        pace.count_send(self.tx, self.lane, self.shared, self.now)
        leader = replace(leader, attempts=leader.attempts + 1, lease_owner=pace.owner)
        with_buttons = can_have_buttons(destination, self.queue.peer, lambda: self.claimer.bot_read(self.now))
        message, source = message_of(self.tx, leader, why, self.now, self.claimer.ways.pages, with_buttons=with_buttons)
        if rate_limits.shows_utc_only(self.tx, self.queue.peer.server, self.now):
            message = replace(message, utc_only=True)
        reply_to = threads.answered_by(self.tx, leader, destination, self.queue.peer)
        return Job(leader, destination, self.queue.peer, replace(message, reply_to=reply_to), source)

    def _folded_with(self, head: WaitingDelivery, destination: Destination) -> tuple[list[WaitingDelivery], Why]:
        """Return what is folded into one message; nothing if the head goes by itself."""
        if destination.for_machines or head.parts_sent:
            return [], Why.PACE
        if head.status == "skipped_missing_credentials":
            return self._more_than_one(self._waited(), destination), Why.WAITED
        if head.severity_rank == Severity.LOW:
            found = self._more_than_one(self._low_beyond_budget(destination), destination)
            return (found if found and found[0].id == head.id else []), Why.PACE
        return [], Why.PACE

    def _waited(self) -> list[WaitingDelivery]:
        return outbox.waiting_for_credentials(*self._line, self.now, _MOST_FOLDED_WAITED, own=self.claimer.own)

    def _low_beyond_budget(self, destination: Destination) -> list[WaitingDelivery]:
        """Return the LOW ones if more of them wait than may go one by one."""
        budget = destination.low_budget(self.claimer.pace.limits, self.lane.sent, self.now.timestamp())
        if budget is None or outbox.count_of_rank(*self._line, Severity.LOW, budget + 1) <= budget:
            return []
        return outbox.foldable(*self._line, self.now, _MOST_FOLDED, severity_rank=Severity.LOW, own=self.claimer.own)

    def _more_than_one(self, found: list[WaitingDelivery], destination: Destination) -> list[WaitingDelivery]:
        """Keep those that go to the same topic of the chat, if they are more than one."""
        ways = self.claimer.ways
        same = [each for each in found if ways.destination(each.destination, each.channel) == destination]
        return same if len(same) > 1 else []
