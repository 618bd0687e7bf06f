"""Takes the next messages out of the outbox, one for each far side, by compare-and-set under a lease.

Order: the worst severity first; within a chat and severity as raised. Called by the delivery loop inside its write
transaction; nothing here talks to a far side.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from monitoring.alerts import pacing
from monitoring.alerts.destinations import Destination, TelegramChat, Webhook
from monitoring.alerts.folding import Folded, Why, fold
from monitoring.alerts.model import Alert, Severity
from monitoring.alerts.pacing import Limits
from monitoring.alerts.senders import Message
from monitoring.alerts.ways import End, LaneQueue, Split, Ways, limits_of
from monitoring.store import alerts as stored_alerts
from monitoring.store import deliveries, lanes
from monitoring.store.alerts import StoredAlert
from monitoring.store.database import Tx
from monitoring.store.deliveries import Waiting
from monitoring.store.lanes import Lane

# Longer than any sender may take (15 s in all), so that only a dead deliverer loses its lease.
LEASE = timedelta(seconds=60)
# One that failed so often lets the others of its severity pass: a poisoned message must not stop a chat.
STEP_ASIDE_AFTER = 5
# CONTRACT: what waited longer for credentials is folded into a count.
STALE_AFTER = timedelta(hours=24)
_MOST_FOLDED = 500
_BY_URGENCY = sorted(Severity, reverse=True)


@dataclass(frozen=True, slots=True)
class Job:
    """One message on its way, and the rows behind it."""

    delivery: Waiting
    destination: Destination
    lane_key: str
    bot_key: str | None
    message: Message
    source: str


@dataclass(slots=True)
class Claimed:
    """What was taken, and when there may be more to take."""

    jobs: list[Job]
    next_at: datetime | None = None

    def look_again(self, at: datetime) -> None:
        self.next_at = at if self.next_at is None else min(self.next_at, at)


@dataclass(frozen=True, slots=True)
class Claimer:
    """Claims for one deliverer, known in leases as `owner`."""

    owner: str
    ways: Ways
    limits: Limits

    def claim(
        self, tx: Tx, queues: Sequence[LaneQueue], now: datetime, *, busy: Collection[str], slots: int
    ) -> Claimed:
        """Take at most one message for each lane that is free, up to `slots`, the most urgent lanes first."""
        claimed = Claimed([])
        taken = set(busy)
        for queue in queues:
            if len(claimed.jobs) >= slots:
                break
            if queue.key not in taken and (job := self._next(tx, queue, now, claimed)) is not None:
                claimed.jobs.append(job)
                taken.add(queue.key)
        return claimed

    def _next(self, tx: Tx, queue: LaneQueue, now: datetime, claimed: Claimed) -> Job | None:
        lane = lanes.get(tx, queue.key)
        if lane.lease_owner not in (None, self.owner) and lane.lease_until and lane.lease_until > now:
            claimed.look_again(lane.lease_until)
            return None
        bot = lanes.get(tx, queue.bot_key) if queue.bot_key else None
        turn = _Turn(tx, self, queue, lane, bot, now)
        for head, destination in turn.heads():
            ready_at = turn.ready_at(head, destination)
            if ready_at <= now:
                return turn.take(head, destination)
            claimed.look_again(ready_at)
        return None


@dataclass(frozen=True, slots=True)
class _Turn:
    """One look at one lane, inside one transaction."""

    tx: Tx
    claimer: Claimer
    queue: LaneQueue
    lane: Lane
    bot: Lane | None
    now: datetime

    def heads(self) -> Iterator[tuple[Waiting, Destination]]:
        """Return the first in line of each severity, the worst severity first."""
        for severity in _BY_URGENCY:
            head = deliveries.head(
                self.tx,
                self.queue.row_destination,
                self.queue.channels,
                severity_rank=severity,
                now=self.now,
                aside_after=STEP_ASIDE_AFTER,
            )
            way = self.claimer.ways.destination(head.destination, head.channel) if head else None
            if head is not None and not isinstance(way, End | Split | None):
                yield head, way

    def ready_at(self, head: Waiting, destination: Destination) -> datetime:
        """Return when this message may go: not leased, due, the far side willing, within the pace."""
        at, limits = self.now.timestamp(), self.claimer.limits
        wait_s = pacing.wait_s(limits_of(limits, destination, head.severity_rank), self.lane.sent, at)
        if self.bot is not None:
            wait_s = max(wait_s, limits.bot.wait_s(self.bot.sent, at))
        instants = [self.now + timedelta(seconds=wait_s), head.next_attempt_at]
        if head.lease_until is not None:
            instants.append(head.lease_until)
        blocking = [lane for lane in (self.lane, self.bot) if lane is not None and not _may_try(lane, head)]
        return max([*instants, *(lane.blocked_until for lane in blocking if lane.blocked_until is not None)])

    def take(self, head: Waiting, destination: Destination) -> Job | None:
        """Claim the message and count it against the pace before it goes: a crash must not lend a second one."""
        members, why = self._folded_with(head, destination)
        leader = members[0] if members else head
        if not deliveries.claim(self.tx, leader.id, self.claimer.owner, self.now, self.now + LEASE):
            return None
        deliveries.fold(self.tx, leader.id, [member.id for member in members])
        self._count_send()
        leader = replace(leader, attempts=leader.attempts + 1, lease_owner=self.claimer.owner)
        return _job(self.tx, leader, destination, self.queue, why)

    def _folded_with(self, head: Waiting, destination: Destination) -> tuple[list[Waiting], Why]:
        """Return what is folded into one message; nothing if the head goes by itself."""
        if isinstance(destination, Webhook) or head.parts_sent:
            return [], Why.PACE
        if head.status == "skipped_missing_credentials" and head.created_at < self.now - STALE_AFTER:
            return self._more_than_one(self._waited(), destination), Why.WAITED
        if head.severity_rank == Severity.LOW and isinstance(destination, TelegramChat):
            found = self._more_than_one(self._low_beyond_budget(destination), destination)
            return (found if found and found[0].id == head.id else []), Why.PACE
        return [], Why.PACE

    def _waited(self) -> list[Waiting]:
        return deliveries.waited_since_before(
            self.tx,
            self.queue.row_destination,
            self.queue.channels,
            self.now,
            _MOST_FOLDED,
            before=self.now - STALE_AFTER,
        )

    def _low_beyond_budget(self, chat: TelegramChat) -> list[Waiting]:
        """Return the LOW ones if more of them wait than may go one by one."""
        line = (self.tx, self.queue.row_destination, self.queue.channels)
        budget = max(1, self.claimer.limits.low_budget(chat.chat_id, self.lane.sent, self.now.timestamp()))
        if deliveries.count_of_rank(*line, Severity.LOW, budget + 1) <= budget:
            return []
        return deliveries.foldable(*line, self.now, _MOST_FOLDED, severity_rank=Severity.LOW)

    def _more_than_one(self, found: list[Waiting], destination: Destination) -> list[Waiting]:
        """Keep those that go to the same topic of the chat, if they are more than one."""
        ways = self.claimer.ways
        same = [each for each in found if ways.destination(each.destination, each.channel) == destination]
        return same if len(same) > 1 else []

    def _count_send(self) -> None:
        limits, owner = self.claimer.limits, self.claimer.owner
        sent = recent((*self.lane.sent, self.now.timestamp()), self.now, limits.longest_window_s)
        lanes.put(self.tx, replace(self.lane, lease_owner=owner, lease_until=self.now + LEASE, sent=sent))
        if self.bot is not None:
            sent = recent((*self.bot.sent, self.now.timestamp()), self.now, limits.bot.window_s)
            lanes.put(self.tx, replace(self.bot, sent=sent))


def recent(sent: tuple[float, ...], now: datetime, window_s: float) -> tuple[float, ...]:
    """Forget sends that no limit looks at any more."""
    return tuple(at for at in sent if at > now.timestamp() - window_s)


def _may_try(lane: Lane, head: Waiting) -> bool:
    """Let the first try of a HIGH or CRITICAL alert pass our own back-off; never what the far side asked for."""
    return lane.block_reason == "failing" and head.attempts == 0 and head.severity_rank >= Severity.HIGH


def _job(tx: Tx, delivery: Waiting, destination: Destination, queue: LaneQueue, why: Why) -> Job:
    stored = stored_alerts.get(tx, delivery.alert_id)
    if stored is None:  # the foreign key forbids it
        raise LookupError(f"delivery {delivery.id} has no alert {delivery.alert_id}")
    folded = deliveries.folded_alert_ids(tx, delivery.id)
    alert = alert_of(stored)
    if folded:
        others = [found for alert_id in folded if (found := stored_alerts.get(tx, alert_id)) is not None]
        reason = Why.WAITED if delivery.status == "skipped_missing_credentials" else why
        alert = fold([_shown(each) for each in (stored, *others)], reason)
    message = Message(
        stored.id, stored.created_at, alert, delivery.parts_sent,
        event_type=stored.kind, condition=stored.dedupe_key or "", level=alert.severity.name,
    )  # fmt: skip
    return Job(delivery, destination, queue.key, queue.bot_key, message, stored.source)


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
