"""Writes down what came of an attempt: delivered, to be tried again and when, or never.

Called by the delivery loop inside its write transaction. "Delivered" is written only after the far side said so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeAlias

from monitoring.alerts.claims import LEASE, Job, recent
from monitoring.alerts.conditions import Policy
from monitoring.alerts.destinations import TelegramChat
from monitoring.alerts.model import Alert, Severity
from monitoring.alerts.pacing import Backoff, Limits
from monitoring.alerts.record import raise_in, resolve_in
from monitoring.alerts.routing import OPERATIONAL_SOURCES
from monitoring.alerts.senders import Sent
from monitoring.errors import ChatMigratedError, CredentialsError, SendError
from monitoring.store import deliveries, lanes
from monitoring.store.conditions import ConditionKey
from monitoring.store.database import Tx
from monitoring.store.lanes import Lane

# Ours: the rest of a long message waits for its turn in line rather than hold the chat longer than this.
LONGEST_PAUSE_S = 2.0
_MONITOR = "automation"


@dataclass(frozen=True, slots=True)
class Paused:
    """A long message stopped after this many parts, to go on when the pace allows or another deliverer comes."""

    parts_sent: int


Outcome: TypeAlias = Sent | SendError | Paused


@dataclass(frozen=True, slots=True)
class Settled:
    """What a settled attempt adds to the count. `refused` names a lane whose credentials were not accepted."""

    delivered: int = 0
    failed: int = 0
    refused: str | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Settler:
    """Settles for one deliverer; `jitter` returns numbers from [0, 1).

    A far side may echo what it was sent, so whatever it says passes `redact` before it is written or logged.
    """

    owner: str
    limits: Limits
    backoff: Backoff
    jitter: Callable[[], float]
    redact: Callable[[str], str]

    def settle(self, tx: Tx, job: Job, outcome: Outcome, now: datetime) -> Settled:
        """Write what came of the attempt to the delivery, its lane and the alerts it stands for."""
        match outcome:
            case Sent():
                return self._sent(tx, job, outcome, now)
            case Paused(parts_sent):
                deliveries.part_sent(tx, job.delivery.id, self.owner, parts_sent, now)
                self._free(tx, job, now)
                return Settled()
            case ChatMigratedError():
                return self._moved(tx, job, outcome, now)
            case CredentialsError():
                return self._refused(tx, job, outcome, now)
            case SendError(permanent=True):
                return self._never(tx, job, outcome, now)
        return self._later(tx, job, outcome, now)

    def progress(self, tx: Tx, job: Job, parts_sent: int, now: datetime) -> float:
        """Note that a long message got this far, keep the lease, and return the seconds until its next part may go."""
        deliveries.renew(tx, job.delivery.id, self.owner, parts_sent, now + LEASE)
        lane = lanes.get(tx, job.lane_key)
        sent = (*_completed(lane, now), now.timestamp())
        lanes.put(tx, replace(lane, sent=recent(sent, now, self.limits.longest_window_s), lease_until=now + LEASE))
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
        if lane.block_reason == "refused":
            resolve_in(tx, _trouble_key(job), now=now)
        lanes.put(tx, replace(lane, blocked_until=None, block_reason="", failures=0))
        return Settled(delivered=len(alert_ids))

    def _moved(self, tx: Tx, job: Job, moved: ChatMigratedError, now: datetime) -> Settled:
        if isinstance(job.destination, TelegramChat):
            lanes.remember_move(tx, job.destination.chat_id, moved.new_chat_id, now)
        self._postpone(tx, job, now, moved)
        self._free(tx, job, now)
        return Settled(error=self.redact(str(moved)))

    def _refused(self, tx: Tx, job: Job, error: CredentialsError, now: datetime) -> Settled:
        """Let everything of the channel wait: another token may come with the next process."""
        self._postpone(tx, job, now, error, status="skipped_missing_credentials")
        waiting = deliveries.finish_group(
            tx, job.delivery.destination, job.delivery.channel, "skipped_missing_credentials", self.redact(str(error))
        )
        deliveries.refresh_alerts(tx, waiting)
        self._free(tx, job, now)
        return Settled(refused=job.lane_key, error=self.redact(str(error)))

    def _never(self, tx: Tx, job: Job, error: SendError, now: datetime) -> Settled:
        alert_ids = deliveries.finish(tx, job.delivery.id, "failed", now, error=self.redact(str(error)))
        deliveries.refresh_alerts(tx, alert_ids)
        lanes.put(tx, replace(self._free(tx, job, now), block_reason="refused"))
        if job.source not in OPERATIONAL_SOURCES:
            raise_in(
                tx,
                _trouble(job, self.redact(str(error))),
                now=now,
                key=_trouble_key(job),
                policy=Policy(remind_after=None),
            )
        return Settled(failed=len(alert_ids), error=self.redact(str(error)))

    def _later(self, tx: Tx, job: Job, error: SendError, now: datetime) -> Settled:
        """Back off: this message by its own count of attempts, the lane by its failures in a row."""
        lane = self._free(tx, job, now)
        failures = lane.failures + 1
        asked = error.retry_after_s
        if asked is not None:
            wait, reason = timedelta(seconds=asked), "rate"
            self._postpone(tx, job, now + wait, error)
        else:
            wait, reason = self.backoff.delay(failures, self.jitter()), "failing"
            self._postpone(tx, job, now + self.backoff.delay(job.delivery.attempts, self.jitter()), error)
        lanes.put(tx, replace(lane, blocked_until=now + wait, block_reason=reason, failures=failures))
        if reason == "rate" and job.bot_key and lanes.blocked_by_rate(tx, _bot_prefix(job.lane_key), now) > 1:
            # Telegram does not say whether a chat or the bot was too fast; two chats at once mean the bot.
            lanes.put(tx, replace(lanes.get(tx, job.bot_key), blocked_until=now + wait, block_reason=reason))
        return Settled(error=self.redact(str(error)))

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
        lane = lanes.get(tx, job.lane_key)
        freed = replace(
            lane,
            lease_owner=None if lane.lease_owner == self.owner else lane.lease_owner,
            lease_until=None if lane.lease_owner == self.owner else lane.lease_until,
            sent=_completed(lane, now),
        )
        lanes.put(tx, freed)
        return freed


def _completed(lane: Lane, now: datetime) -> tuple[float, ...]:
    """Move the send in flight to the instant it ended."""
    return (*lane.sent[:-1], max(now.timestamp(), lane.sent[-1])) if lane.sent else (now.timestamp(),)


def _bot_prefix(lane_key: str) -> str:
    return lane_key.rsplit(":", 1)[0] + ":"


def _trouble_key(job: Job) -> ConditionKey:
    return ConditionKey(_MONITOR, "delivery", "", job.lane_key)


def _trouble(job: Job, error: str) -> Alert:
    return Alert(
        Severity.HIGH,
        "Alerts are not accepted",
        error,
        f"Alert #{job.message.id} ({job.message.alert.protocol}: {job.message.alert.title}) failed for good. "
        "Alerts that follow are tried anew; you are not told again until one goes through.",
        protocol=_MONITOR,
        source="ops_error",
        key=f"delivery/{job.lane_key}",
    )
