"""Writes down what came of an attempt: delivered, or to be tried again and when. No answer ends a delivery undelivered.

Called by the delivery loop inside its write transaction. "Delivered" is written only after the far side said so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeAlias

from monitoring.alerts.delivery import refusals
from monitoring.alerts.delivery.destinations import TelegramChat
from monitoring.alerts.delivery.lease import Job, recent
from monitoring.alerts.delivery.rate_limit import RateLimits, asked_wait
from monitoring.alerts.delivery.route_resolver import RouteResolver
from monitoring.alerts.senders import Sent
from monitoring.base.errors import ChatMigratedError, CredentialsError, RefusedError, SendError
from monitoring.base.http.retry import Backoff
from monitoring.store.db.database import Tx
from monitoring.store.db.waits import LEASE, refused_pause
from monitoring.store.tables import deliveries, rate_limits
from monitoring.store.tables.deliveries import Own
from monitoring.store.tables.rate_limits import FAILING, RATE, Lane

# Ours: the rest of a long message waits for its turn in line rather than hold the chat longer than this.
LONGEST_PAUSE_S = 2.0


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
    """Settles for one deliverer; `jitter` returns numbers from [0, 1).

    A far side may echo what it was sent, so whatever it says passes `redact` before it is written or logged.
    """

    owner: str
    ways: RouteResolver
    limits: RateLimits
    backoff: Backoff
    jitter: Callable[[], float]
    redact: Callable[[str], str]
    run_id: int | None = None
    own: Own | None = None

    def settle(self, tx: Tx, job: Job, outcome: Outcome, now: datetime) -> Settled:
        """Write what came of the attempt to the delivery, its lane and the alerts it stands for."""
        if isinstance(outcome, Sent):
            return self._sent(tx, job, outcome, now)
        if isinstance(outcome, Paused):
            deliveries.part_sent(tx, job.delivery.id, self.owner, outcome.parts_sent, now)
            self._free(tx, job, now)
            return Settled()
        self._not_sent(tx, job, outcome, now)
        self._host_answered(tx, job, now, answered=not outcome.unanswered)
        return Settled(error=self.redact(str(outcome)))

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

    def progress(self, tx: Tx, job: Job, parts_sent: int, now: datetime) -> float:
        """Note that a long message got this far, keep the lease, and return the seconds until its next part may go."""
        deliveries.renew(tx, job.delivery.id, self.owner, parts_sent, now + LEASE)
        lane = rate_limits.get(tx, job.far_side.key, now)
        sent = (*_completed(lane, now), now.timestamp())
        rate_limits.put(
            tx, replace(lane, sent=recent(sent, now, self.limits.longest_window_s), lease_until=now + LEASE)
        )
        if not isinstance(job.destination, TelegramChat):
            return 0.0
        limits = self.limits.of_chat(job.destination.chat_id, job.delivery.severity_rank)
        return max(limit.wait_s(sent[:-1], now.timestamp()) for limit in limits)

    def _sent(self, tx: Tx, job: Job, sent: Sent, now: datetime) -> Settled:
        receipt: dict[str, object] = {
            "message_ids": sent.message_ids,
            "notes": [self.redact(note) for note in sent.notes],
            "to": str(job.destination),
        }
        alert_ids = deliveries.finish(tx, job.delivery.id, "delivered", now, receipt=receipt)
        deliveries.refresh_alerts(tx, alert_ids)
        lane = self._free(tx, job, now)
        if lane.block_reason:
            refusals.is_over(tx, job.far_side.key, now, self.run_id)
        if job.delivery.attempts > 1:
            refusals.is_over(tx, refusals.text_of(job), now, self.run_id)
        rate_limits.put(tx, replace(lane, blocked_until=None, block_reason="", failures=0))
        self._host_answered(tx, job, now, answered=True)
        self._bot_works(tx, job, now)
        return Settled(delivered=len(alert_ids))

    def _bot_works(self, tx: Tx, job: Job, now: datetime) -> None:
        shared = rate_limits.get(tx, job.far_side.shared_key, now) if job.far_side.shared_key else None
        if shared is not None and shared.is_refused:
            refusals.is_over(tx, shared.key, now, self.run_id)
            rate_limits.put(tx, replace(shared, blocked_until=None, block_reason="", failures=0))

    def _host_answered(self, tx: Tx, job: Job, now: datetime, *, answered: bool) -> None:
        """Remember of a host that serves several machines whether it answers at all, whatever it says."""
        if job.far_side.kind == "telegram" or job.far_side.shared_key is None:
            return
        host = rate_limits.get(tx, job.far_side.shared_key, now)
        if answered and host.failures:
            rate_limits.put(tx, replace(host, blocked_until=None, block_reason="", failures=0))
        elif not answered and not (host.blocked_until and host.blocked_until > now):
            wait = self.backoff.delay(host.failures + 1, self.jitter())
            blocked = replace(host, blocked_until=now + wait, block_reason=FAILING, failures=host.failures + 1)
            rate_limits.put(tx, blocked)

    def _moved(self, tx: Tx, job: Job, moved: ChatMigratedError, now: datetime) -> None:
        """Follow a group at once the first time; one that leads back to where it was is a chat that refuses."""
        if not isinstance(job.destination, TelegramChat):
            return
        if leads_back(rate_limits.moved_chats(tx), job.destination.chat_id, moved.new_chat_id):
            self._refused(tx, job, RefusedError(f"{moved}, and from there back again"), now)
            return
        rate_limits.remember_move(tx, job.destination.chat_id, moved.new_chat_id, now)
        wait = self.backoff.delay(job.delivery.attempts, self.jitter()) if job.delivery.attempts > 1 else timedelta(0)
        self._postpone(tx, job, now + wait, moved)
        self._free(tx, job, now)

    def _no_credentials(self, tx: Tx, job: Job, error: CredentialsError, now: datetime) -> None:
        """Let everything of the channel wait for other credentials; a token is its bot's, whatever the chat."""
        why, delivery = self.redact(str(error)), job.delivery
        self._postpone(tx, job, now, error, status="skipped_missing_credentials")
        deliveries.unfold(tx, delivery.id)  # what waits is folded again, with what comes until then
        waiting = deliveries.finish_group(
            tx, delivery.destination, delivery.channel, "skipped_missing_credentials", why, now, own=self.own
        )
        deliveries.refresh_alerts(tx, waiting)
        self._free(tx, job, now)
        is_bots = job.far_side.kind == "telegram" and job.far_side.shared_key is not None
        self._leave_alone(tx, job, job.far_side.shared_key or "" if is_bots else job.far_side.key, now)
        if not self.ways.is_announced_by(job.far_side, shared=is_bots):
            refusals.announce(tx, job, why, now, self.run_id, by=job.far_side.shared_key if is_bots else None)

    def _refused(self, tx: Tx, job: Job, error: SendError, now: datetime) -> None:
        """Leave the destination alone, longer each time; each delivery stays due, for other settings to take it."""
        why = self.redact(str(error))
        self._postpone(tx, job, now, error)
        explained = deliveries.explain_group(tx, job.delivery.destination, job.delivery.channel, why, now, own=self.own)
        deliveries.refresh_alerts(tx, explained)
        self._free(tx, job, now)
        self._leave_alone(tx, job, job.far_side.key, now)
        if not self.ways.is_announced_by(job.far_side, shared=False):
            refusals.announce(tx, job, why, now, self.run_id)

    def _refused_text(self, tx: Tx, job: Job, error: RefusedError, now: datetime) -> None:
        """Let one message wait while the others of its chat pass."""
        self._postpone(tx, job, now + refused_pause(job.delivery.attempts), error)
        lane = self._free(tx, job, now)
        rate_limits.put(tx, replace(lane, blocked_until=None, block_reason="", failures=0))
        refusals.announce_text(tx, job, self.redact(str(error)), now, self.run_id)

    def _leave_alone(self, tx: Tx, job: Job, key: str, now: datetime) -> None:
        lane = rate_limits.get(tx, key, now)
        times = lane.failures + 1 if lane.is_refused else 1
        reason = rate_limits.refused_with(job.far_side.mark)
        rate_limits.put(
            tx, replace(lane, blocked_until=now + refused_pause(times), block_reason=reason, failures=times)
        )

    def _later(self, tx: Tx, job: Job, error: SendError, now: datetime) -> None:
        """Back off: this message by its own count of attempts, the lane by its failures in a row."""
        lane = self._free(tx, job, now)
        asked = asked_wait(error.retry_after_s)
        if asked is not None:
            self._postpone(tx, job, now, error)  # the lane keeps what was asked for
            blocked = replace(lane, blocked_until=now + asked, block_reason=RATE, failures=lane.failures + 1)
            rate_limits.put(tx, blocked)
            self._slow_bot_down(tx, job, blocked, now)
            return
        self._postpone(tx, job, now + self.backoff.delay(job.delivery.attempts, self.jitter()), error)
        if lane.is_refused:  # no answer does not mean that it accepts again
            rate_limits.put(tx, replace(lane, blocked_until=now + refused_pause(lane.failures)))
            return
        wait, failures = self.backoff.delay(lane.failures + 1, self.jitter()), lane.failures + 1
        rate_limits.put(tx, replace(lane, blocked_until=now + wait, block_reason=FAILING, failures=failures))

    def _slow_bot_down(self, tx: Tx, job: Job, blocked: Lane, now: datetime) -> None:
        """Telegram does not say whether a chat or the bot was too fast; two chats at once mean the bot."""
        bot_key = job.far_side.shared_key
        if (
            bot_key
            and job.far_side.kind == "telegram"
            and rate_limits.blocked_by_rate(tx, _bot_prefix(blocked.key), now) > 1
        ):
            bot = rate_limits.get(tx, bot_key, now)
            rate_limits.put(tx, replace(bot, blocked_until=blocked.blocked_until, block_reason=RATE))

    def _postpone(
        self, tx: Tx, job: Job, until: datetime, error: SendError, status: deliveries.Status | None = None
    ) -> None:
        kept = status or job.delivery.status
        alert_ids = deliveries.postpone(
            tx, job.delivery.id, self.owner, status=kept, next_attempt_at=until, error=self.redact(str(error))
        )
        deliveries.refresh_alerts(tx, alert_ids)

    def _free(self, tx: Tx, job: Job, now: datetime) -> Lane:
        """Give the lane back; the attempt counts from when it ended, since that is the latest it can have arrived."""
        lane = rate_limits.get(tx, job.far_side.key, now)
        freed = replace(
            lane,
            lease_owner=None if lane.lease_owner == self.owner else lane.lease_owner,
            lease_until=None if lane.lease_owner == self.owner else lane.lease_until,
            sent=_completed(lane, now),
        )
        rate_limits.put(tx, freed)
        return freed


def leads_back(moved_chats: Mapping[str, str], chat_id: str, new_chat_id: str) -> bool:
    """Tell whether following a move, and those known already, ends where it began."""
    seen: set[str] = set()
    while new_chat_id not in seen:
        if new_chat_id == chat_id:
            return True
        seen.add(new_chat_id)
        new_chat_id = moved_chats.get(new_chat_id, new_chat_id)
    return False


def _completed(lane: Lane, now: datetime) -> tuple[float, ...]:
    """Move the send in flight to the instant it ended."""
    return (*lane.sent[:-1], max(now.timestamp(), lane.sent[-1])) if lane.sent else (now.timestamp(),)


def _bot_prefix(lane_key: str) -> str:
    return lane_key.rsplit(":", 1)[0] + ":"
