"""Every change of a delivery's state once it is stored: delivered, waiting, tried again later, given up.

Called by the delivery loop inside its write transaction, and by `deliver --drop`. "Delivered" is written only after the
destination said so, and no answer ends a delivery undelivered: only a person does, or age. The states are in `states`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeAlias

from monitoring.alerts.channels import OPERATIONAL_SOURCES
from monitoring.alerts.delivery import pace, threads
from monitoring.alerts.delivery.pace import Job, Pace, asked_wait
from monitoring.alerts.delivery.routes import FanOut, RouteResolver, Undeliverable
from monitoring.alerts.message.model import Alert, Severity
from monitoring.alerts.recording.store_alert import AlertOrigin, store_in
from monitoring.alerts.senders import Accepted, Sent
from monitoring.alerts.senders.telegram import TelegramChat
from monitoring.base.errors import ChatMigratedError, CredentialsError, RefusedError, SendError, UsageError
from monitoring.base.plural import counted
from monitoring.store.db.database import Tx
from monitoring.store.db.waits import LEASE, refused_pause
from monitoring.store.tables import alerts as stored_alerts
from monitoring.store.tables import deliveries, rate_limits
from monitoring.store.tables.alerts import StoredAlert
from monitoring.store.tables.deliveries import Own
from monitoring.store.tables.outbox import Group

# Ours: the rest of a long message waits for its turn in line rather than hold the chat longer than this.
LONGEST_PAUSE_S = 2.0
LONGEST = timedelta(days=7)
LONGEST_CRITICAL = timedelta(days=30)
# Looks at the clock count when they are this far apart. A pause longer by half as much than the shorter of the two
# before it is a host that was down, or a clock that was stepped.
_APART = timedelta(hours=1)
_SETTLED_AFTER = timedelta(days=1)
_CLOCK = "clock"  # the lane that keeps since when time is in doubt and the last three looks; as failures the seconds
_KEPT = 4
_MOST_AT_ONCE, _MOST_NAMED = 500, 10


@dataclass(frozen=True, slots=True)
class Paused:
    """A long message stopped after this many parts, to go on when the pace allows or another deliverer comes."""

    parts_sent: int


Outcome: TypeAlias = Sent | SendError | Paused


@dataclass(frozen=True, slots=True)
class Settled:
    """What a settled attempt adds to the count, and what is to be logged of it."""

    delivered: int = 0
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Settler:
    """Settles for one deliverer.

    A destination may echo what it was sent, so whatever it says passes `redact` before it is written or logged.
    """

    ways: RouteResolver
    pace: Pace
    redact: Callable[[str], str]
    run_id: int | None = None
    own: Own | None = None

    def settle(self, tx: Tx, job: Job, outcome: Outcome, now: datetime) -> Settled:
        """Write what came of the attempt to the delivery, its lane and the alerts it stands for."""
        if isinstance(outcome, Sent):
            return self._sent(tx, job, outcome, now)
        if isinstance(outcome, Paused):
            deliveries.part_sent(tx, job.delivery.id, self.pace.owner, outcome.parts_sent, now)
            self.pace.give_back(tx, job, now)
            return Settled()
        self._not_sent(tx, job, outcome, now)
        self.pace.host_answered(tx, job, now, answered=not outcome.unanswered)
        return Settled(error=self.redact(str(outcome)))

    def progress(self, tx: Tx, job: Job, parts_sent: int, messages: Sequence[Accepted], now: datetime) -> float:
        """Note that a long message got this far, keep the lease, and return the seconds until its next part may go."""
        threads.keep(tx, job, messages, now)
        deliveries.renew(tx, job.delivery.id, self.pace.owner, parts_sent, now + LEASE)
        return self.pace.next_part_in(tx, job, now)

    def without_way(self, tx: Tx, group: Group, way: Undeliverable | FanOut, now: datetime) -> bool:
        """Split up, end or mark a group without a route; return whether new deliveries were created."""
        own = self.own
        if isinstance(way, FanOut):
            alert_ids = deliveries.split_placeholder(tx, group.channel, way.destinations, own)
            deliveries.refresh_alerts(tx, alert_ids)
            return bool(way.destinations)
        if way.status == "skipped_missing_credentials" and not deliveries.has_pending(
            tx, group.destination, group.channel, own
        ):
            return False
        if way.status == "skipped_debug":
            if self.run_id is None:
                return False
            own = Own(self.run_id, now)  # a process that sends nothing decides over its own alerts alone
        alert_ids = deliveries.finish_group(tx, group.destination, group.channel, way.status, way.why, now, own=own)
        deliveries.refresh_alerts(tx, alert_ids)
        return False

    def _not_sent(self, tx: Tx, job: Job, error: SendError, now: datetime) -> None:
        match error:
            case ChatMigratedError():
                self._moved(tx, job, error, now)
            case CredentialsError():
                self._no_credentials(tx, job, error, now)
            case RefusedError(of_text=True):
                self._refused_text(tx, job, error, now)
            case RefusedError():
                self._refused(tx, job, error, now)
            case _:
                self._later(tx, job, error, now)

    def _sent(self, tx: Tx, job: Job, sent: Sent, now: datetime) -> Settled:
        receipt: dict[str, object] = {
            "message_ids": sent.message_ids,
            "notes": [self.redact(note) for note in sent.notes],
            "to": str(job.destination),
        }
        threads.keep(tx, job, sent.messages, now)
        alert_ids = deliveries.finish(tx, job.delivery.id, "delivered", now, receipt=receipt)
        deliveries.refresh_alerts(tx, alert_ids)
        self.pace.accepted(tx, job, now, self.run_id)
        if sent.utc_only and not job.message.utc_only:
            rate_limits.remember_utc_only(tx, job.peer.server, now)
        return Settled(delivered=len(alert_ids))

    def _moved(self, tx: Tx, job: Job, moved: ChatMigratedError, now: datetime) -> None:
        """Follow a group at once the first time; one that leads back to where it was is a chat that refuses."""
        if not isinstance(job.destination, TelegramChat):
            return
        if leads_back(rate_limits.moved_chats(tx), job.destination.chat_id, moved.new_chat_id):
            self._refused(tx, job, RefusedError(f"{moved}, and from there back again"), now)
            return
        rate_limits.remember_move(tx, job.destination.chat_id, moved.new_chat_id, now)
        attempts = job.delivery.attempts
        pause = self.pace.after_failures(attempts) if attempts > 1 else timedelta(0)
        self._postpone(tx, job, now + pause, moved)
        self.pace.give_back(tx, job, now)

    def _no_credentials(self, tx: Tx, job: Job, error: CredentialsError, now: datetime) -> None:
        """Let everything of the channel wait for other credentials; a token is its bot's, whatever the chat."""
        why, delivery, peer = self.redact(str(error)), job.delivery, job.peer
        self._postpone(tx, job, now, error, status="skipped_missing_credentials")
        deliveries.unfold(tx, delivery.id)  # what waits is folded again, with what comes until then
        waiting = deliveries.finish_group(
            tx, delivery.destination, delivery.channel, "skipped_missing_credentials", why, now, own=self.own
        )
        deliveries.refresh_alerts(tx, waiting)
        token = peer.shared_key if peer.shares == "token" else None
        self.pace.refused(tx, job, token or peer.key, now)
        if not self.ways.is_announced_by(peer, shared=token is not None):
            pace.announce(tx, job, why, now, self.run_id, by=token)

    def _refused(self, tx: Tx, job: Job, error: SendError, now: datetime) -> None:
        """Leave the destination alone, longer each time; each delivery stays due, for other settings to take it."""
        why = self.redact(str(error))
        self._postpone(tx, job, now, error)
        explained = deliveries.explain_group(tx, job.delivery.destination, job.delivery.channel, why, now, own=self.own)
        deliveries.refresh_alerts(tx, explained)
        self.pace.refused(tx, job, job.peer.key, now)
        if not self.ways.is_announced_by(job.peer, shared=False):
            pace.announce(tx, job, why, now, self.run_id)

    def _refused_text(self, tx: Tx, job: Job, error: RefusedError, now: datetime) -> None:
        """Let one message wait while the others of its chat pass."""
        self._postpone(tx, job, now + refused_pause(job.delivery.attempts), error)
        self.pace.text_refused(tx, job, now)
        pace.announce_text(tx, job, self.redact(str(error)), now, self.run_id)

    def _later(self, tx: Tx, job: Job, error: SendError, now: datetime) -> None:
        """Back off: this message by its own count of attempts, the lane by its failures in a row."""
        asked = asked_wait(error.retry_after_s)
        # What the destination asked for is kept by the lane: it holds for every message.
        pause = self.pace.after_failures(job.delivery.attempts) if asked is None else timedelta(0)
        self._postpone(tx, job, now + pause, error)
        self.pace.failed(tx, job, asked, now)

    def _postpone(
        self, tx: Tx, job: Job, until: datetime, error: SendError, status: deliveries.Status | None = None
    ) -> None:
        kept = status or job.delivery.status
        alert_ids = deliveries.postpone(
            tx, job.delivery.id, self.pace.owner, status=kept, next_attempt_at=until, error=self.redact(str(error))
        )
        deliveries.refresh_alerts(tx, alert_ids)


def leads_back(moved_chats: Mapping[str, str], chat_id: str, new_chat_id: str) -> bool:
    """Return whether following a move, and those known already, ends where it began."""
    seen: set[str] = set()
    while new_chat_id not in seen:
        if new_chat_id == chat_id:
            return True
        seen.add(new_chat_id)
        new_chat_id = moved_chats.get(new_chat_id, new_chat_id)
    return False


def give_up_old(tx: Tx, now: datetime, origin: AlertOrigin) -> int:
    """End what has waited for longer than anybody can be expected to want it; return how many deliveries.

    What a clock that is ahead seems to have let pass is no waiting: one that is a year ahead for a single run, or a day
    for three hours, must not end what waits.
    """
    believed = now - _in_doubt(tx, now)
    count, ended = 0, []
    for before, rank_below, waited in (
        (believed - LONGEST, Severity.CRITICAL, f"{LONGEST.days} days"),
        (believed - LONGEST_CRITICAL, Severity.CRITICAL + 1, f"{LONGEST_CRITICAL.days} days"),
    ):
        for delivery_id in deliveries.waiting_since_before(tx, before, now, rank_below=rank_below, limit=_MOST_AT_ONCE):
            alert_id = deliveries.give_up(tx, delivery_id, f"given up after {waited} of waiting")
            count += alert_id is not None
            ended += [alert_id] if alert_id is not None else []
    deliveries.refresh_alerts(tx, ended)
    found = [alert for alert_id in dict.fromkeys(ended) if (alert := stored_alerts.get(tx, alert_id)) is not None]
    if any(alert.source not in OPERATIONAL_SOURCES for alert in found):
        store_in(tx, _given_up(found), now=now, origin=origin)
    return count


def drop(tx: Tx, alert_ids: Sequence[int], *, who: str, reason: str, now: datetime) -> int:
    """End what waits of these alerts by a person's word, all of them or none; return how many deliveries.

    Raises:
        UsageError: one of them does not exist, or nothing of it waits.
    """
    waiting = {alert_id: deliveries.open_of_alert(tx, alert_id) for alert_id in alert_ids}
    for alert_id, open_ids in waiting.items():
        stored = stored_alerts.get(tx, alert_id)
        if stored is None:
            raise UsageError(f"there is no alert {alert_id}: `alerts` lists them")
        if not open_ids:
            raise UsageError(f"nothing of alert {alert_id} waits: its delivery status is {stored.delivery_status}")
    for delivery_id in (each for open_ids in waiting.values() for each in open_ids):
        deliveries.give_up(tx, delivery_id, f"dropped by {who}: {reason}")
    deliveries.refresh_alerts(tx, waiting)
    found = [alert for alert_id in waiting if (alert := stored_alerts.get(tx, alert_id)) is not None]
    store_in(tx, _dropped(found, who, reason), now=now)
    return sum(len(open_ids) for open_ids in waiting.values())


def _in_doubt(tx: Tx, now: datetime) -> timedelta:
    """Note that time was looked at; return how much of what seems to have passed may be a step of the clock.

    A pause counts for a day, then the clock is believed. Where the last looks lie ahead nothing is known of the time
    before: then all of it is in doubt.
    """
    lane, at, apart_s = rate_limits.get(tx, _CLOCK, now), now.timestamp(), _APART.total_seconds()
    if len(lane.sent) == _KEPT:
        doubted_at, *looks = lane.sent
        pause_s, usual_s = at - looks[-1], max(apart_s, min(looks[1] - looks[0], looks[2] - looks[1]))
        is_step = pause_s > usual_s + apart_s / 2
        is_settled = (looks[-1] if is_step else at) - doubted_at >= _SETTLED_AFTER.total_seconds()
        doubt_s = 0 if is_settled else lane.failures
        if pause_s < apart_s:
            return timedelta(seconds=doubt_s)
        if is_step:
            doubt_s, doubted_at = doubt_s + int(pause_s), at
    else:
        is_new = not lane.sent and not lane.failures
        doubt_s, doubted_at, looks = 0 if is_new else int(LONGEST_CRITICAL.total_seconds()), at, [at] * 3
    rate_limits.put(tx, replace(lane, failures=doubt_s, sent=(doubted_at, *looks[1:], at)))
    return timedelta(seconds=doubt_s)


def _given_up(found: Sequence[StoredAlert]) -> Alert:
    worst = max(Severity.__members__.get(alert.severity or "", Severity.MEDIUM) for alert in found)
    return Alert(
        max(worst, Severity.MEDIUM),
        f"{counted(len(found), 'alert')} given up undelivered",
        f"Waited for {LONGEST.days} days (CRITICAL: {LONGEST_CRITICAL.days} days):",
        *_names(found),
        protocol="automation",
        source="ops_error",
    )


def _dropped(found: Sequence[StoredAlert], who: str, reason: str) -> Alert:
    return Alert(
        Severity.LOW,
        f"{counted(len(found), 'alert')} dropped by {who}, undelivered",
        f"Reason: {reason}",
        *_names(found),
        protocol="automation",
        source="ops_error",
    )


def _names(found: Sequence[StoredAlert]) -> list[str]:
    more = len(found) - _MOST_NAMED
    shown = [
        f"#{alert.id} {alert.severity or ''} {alert.protocol}: {alert.title or alert.message.partition(chr(10))[0]}"
        for alert in found[:_MOST_NAMED]
    ]
    return [*shown, *([f"and {more} more"] if more > 0 else [])]
