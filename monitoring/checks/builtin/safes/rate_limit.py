"""Whose turn it is at the Safe Transaction Service: each Safe as often as the month's quota of calls allows.

Each queue is a question of its own; here all of one run are answered together. Safes whose own state has changed on the
chain come first, then those that were not asked for the longest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import ceil

from monitoring.chains.abi.addresses import checksum, short
from monitoring.chains.abi.values import Unknown
from monitoring.chains.networks import network
from monitoring.chains.services.client import NoAnswer
from monitoring.chains.services.safe_rows import SafeQueue
from monitoring.chains.services.safe_service import keys_from, open_safe_service, quota
from monitoring.checks.engine.point import EvaluationPoint

_SHARE = 0.8  # of the quota; the rest is for longer queues, further tries, and Safes that have just changed
# Safes in a row without an answer, of one chain and of all: the others of this run are not asked.
_CHAIN_DOWN_AFTER, _ALL_DOWN_AFTER = 3, 6
_SOURCE = "safe service"
_MAX_DOUBLINGS = 6
_MONTH_S = 30 * 86_400


@dataclass(frozen=True, slots=True)
class QueueOf:
    """What is pending at or above a nonce of one Safe, and what is remembered of asking.

    `group` is the monitor with the number of its Safes: the quota is shared by all of them.
    """

    chain: int
    address: str
    nonce: int
    every: timedelta
    group: tuple[str, int]
    asked_at: datetime | None = None
    failures: int = 0
    changed: bool = False


@dataclass(frozen=True, slots=True)
class Poll:
    """What came of a turn: the queue, why there is none, or None when it was not this Safe's turn."""

    interval: timedelta
    queue: SafeQueue | Unknown | None = None
    asked: bool = False


def interval_for(safes: int, every: timedelta, keys: int) -> timedelta:
    """Return how often each of so many Safes can be asked with so many keys."""
    allowed = quota(safes, every.total_seconds(), keys).allowed * _SHARE
    return max(every, timedelta(seconds=safes * _MONTH_S / allowed))


def is_due(question: QueueOf, interval: timedelta, now: datetime) -> bool:
    """Return whether a Safe is to be asked; after failures sooner than usual, but each time after twice as long.

    A tenth of `every` is given, so that a run which starts a second early does not skip a turn. A clock that was ahead
    when it was asked says nothing of when that was.
    """
    if question.asked_at is None or question.asked_at > now or (question.changed and not question.failures):
        return True
    wait = interval
    if question.failures:
        wait = min(interval, question.every * 2 ** min(question.failures - 1, _MAX_DOUBLINGS))
    return now - question.asked_at >= wait - question.every / 10


def turns(questions: Sequence[QueueOf], interval: timedelta, now: datetime) -> list[QueueOf]:
    """Choose who is asked in this run, of each kind the longest unasked first.

    1. A share of those whose chain says that they changed: Safes that execute all day must not use up the quota.
    2. All that were never asked.
    3. A share of the others, so that they spread.
    """
    due = sorted(
        (one for one in questions if is_due(one, interval, now)), key=lambda one: (one.asked_at or now, one.address)
    )
    share = max(1, ceil(2 * len(questions) * (min((one.every for one in questions), default=interval) / interval)))
    changed = [one for one in due if one.changed and one.asked_at is not None]
    first = [one for one in due if one.asked_at is None]
    routine = [one for one in due if one not in first and one not in changed[:share]]
    return changed[:share] + first + routine[:share]


def answer_queues(questions: Sequence[QueueOf], at: EvaluationPoint) -> dict[QueueOf, Poll]:
    """Ask for the queues whose turn it is; a service that is down is not asked for all of them."""
    if not questions:
        return {}
    keys = len(keys_from(at.environ))
    safes = sum(number for _, number in {one.group for one in questions})
    interval = interval_for(max(safes, 1), min(one.every for one in questions), keys)
    service = open_safe_service(at.environ, at.service)
    found, outage = {one: Poll(interval) for one in questions}, Outage()
    for one in turns(questions, interval, at.clock.now()):
        down = outage.of(one.chain)
        if down is not None:
            found[one] = Poll(interval, down)
            continue
        queue = service.queue(network(one.chain), one.address, one.nonce)
        outage.note(one.chain, queue)
        found[one] = Poll(interval, _named(one, queue), asked=True)
    return found


@dataclass(slots=True)
class Outage:
    """Failures in a row, of a chain's service and of all; an answer, also one that refuses, ends them."""

    failed: list[int] = field(default_factory=list)
    last: dict[int, Unknown] = field(default_factory=dict)

    def note(self, chain: int, answer: SafeQueue | Unknown) -> None:
        if isinstance(answer, SafeQueue) or (isinstance(answer, NoAnswer) and not answer.transient):
            self.failed = []
        else:
            self.failed.append(chain)
            self.last[chain] = Unknown(answer.reason, _SOURCE)

    def of(self, chain: int) -> Unknown | None:
        """Return why a chain's service is not asked any more in this run."""
        if self.failed.count(chain) >= _CHAIN_DOWN_AFTER:
            return self.last[chain]
        return self.last[self.failed[-1]] if len(self.failed) >= _ALL_DOWN_AFTER else None


def _named(one: QueueOf, queue: SafeQueue | Unknown) -> SafeQueue | Unknown:
    """Say whose queue could not be read; a service that is down is one cause, whichever Safe it showed at."""
    if isinstance(queue, SafeQueue):
        return queue
    slug = network(one.chain).slug
    refused = isinstance(queue, NoAnswer) and not queue.transient
    reason = f"queue of {short(checksum(one.address))} on {slug}: {queue.reason}"
    return Unknown(reason, f"{_SOURCE} for {slug}" if refused else _SOURCE)
