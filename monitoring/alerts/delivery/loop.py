"""Who drains the outbox, at least once: during a run, at a script's end, or by hand.

One thread owns the database and decides, `workers` talk to destinations. Several loops may run at once, in one process
or many: leases and the pace are in the store. Each turn settles what came back and claims what comes next in one write
transaction. It needs the real environment: monitors have no credentials and only store.
"""

from __future__ import annotations

import logging
import os
import queue
import random
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Self

from monitoring.alerts.delivery.lease import MOST_AT_ONCE, Claimed, Claimer
from monitoring.alerts.delivery.outbox import Settled, Settler, give_up_old
from monitoring.alerts.delivery.pace import Job, Pace, forget_unused
from monitoring.alerts.delivery.routes import RouteResolver
from monitoring.alerts.delivery.workers import Done, PartDone, Pools, Report, Sending
from monitoring.alerts.recording.acknowledge import settle_in
from monitoring.alerts.recording.release_silenced import release_in
from monitoring.alerts.recording.store_alert import AlertOrigin
from monitoring.alerts.senders.limits import RateLimits
from monitoring.alerts.senders.registry import Senders
from monitoring.base.clock import Clock
from monitoring.base.errors import StoreError
from monitoring.base.http.retry import Backoff
from monitoring.base.locks.chat_reader import bot_read_now
from monitoring.base.secrets.redact import Redactor
from monitoring.base.settings import Settings
from monitoring.store.db import lost
from monitoring.store.db.database import Database, StoreDamagedError, StoreReplacedError, Tx
from monitoring.store.maintenance.repair import open_or_repair, repair
from monitoring.store.tables import deliveries, outbox, rate_limits
from monitoring.store.tables.deliveries import Own

log = logging.getLogger("monitoring.delivery")

POLL_S = 0.05  # how soon an alert is noticed that another process stored
_RELEASE_EVERY_S = 1.0  # how soon the end of a silence is noticed
_STORE_PAUSE_S = 1.0  # after the store failed
_GIVE_UP_EVERY_S = 3600.0  # how often what waits is looked through for what is too old
_LAST_WAIT_S = 20.0  # for messages in flight when asked to stop: longer than any sender takes


@dataclass(frozen=True, slots=True)
class Drained:
    """What a deliverer did since it was made, in deliveries, and what is left in the outbox.

    `waiting` is none if the store could not be read; `next_attempt_at` none if nothing can be attempted before
    something changes.
    """

    delivered: int
    failed: int
    waiting: int | None
    next_attempt_at: datetime | None


@dataclass(slots=True)
class Deliverer:
    """What one deliverer is made of and has done; it outlives its loops.

    `own`: only what this process raised is its business. `at_once`: a person asks, so our own pauses end first.
    """

    path: Path
    clock: Clock
    ways: RouteResolver
    claimer: Claimer
    settler: Settler
    open_senders: Callable[[], Sending]
    run_id: int | None
    debug: bool = False
    own: Own | None = None
    at_once: bool = False
    delivered: int = 0
    failed: int = 0

    @property
    def minds_others(self) -> bool:
        """Whether it may act on what other processes stored: not in test mode, nor where nothing is sent."""
        return self.own is None and not self.debug


class Delivery:
    """Delivers what is in the outbox of one database.

    `run_id` names the run this deliverer works for: under LOG_LEVEL=DEBUG its alerts end as `skipped_debug`, those of
    others wait for somebody who sends. In test mode, too, only its own alerts are sent: the run's, or without a run
    those of no run stored `since` it began. `at_once`: a person asks, so pauses of our own do not count.
    `limits`, `backoff`, `jitter` and `open_senders` are for tests.
    """

    def __init__(
        self,
        settings: Settings,
        database_path: Path,
        clock: Clock,
        *,
        run_id: int | None = None,
        since: datetime | None = None,
        at_once: bool = False,
        limits: RateLimits | None = None,
        backoff: Backoff | None = None,
        jitter: Callable[[], float] = random.random,
        open_senders: Callable[[], Sending] | None = None,
    ) -> None:
        owner = f"{os.getpid()}-{uuid.uuid4().hex[:12]}"
        pace = Pace(owner, limits or RateLimits(), backoff or Backoff(), jitter)
        ways = RouteResolver(settings.environ)
        own = Own(run_id, since or clock.now()) if settings.in_test_mode else None
        redact = Redactor(settings.environ)
        self._deliverer = Deliverer(
            path=database_path,
            clock=clock,
            ways=ways,
            claimer=Claimer(ways, pace, own, partial(bot_read_now, settings.locks)),
            settler=Settler(ways, pace, redact, run_id, own),
            open_senders=open_senders or (lambda: Senders(settings.environ)),
            run_id=run_id,
            debug=settings.debug,
            own=own,
            at_once=at_once,
        )

    def run(self, stop: threading.Event, wake: threading.Event | None = None) -> None:
        """Deliver until `stop` is set, then let what is in flight come to its end; never raises for the store's sake.

        Meant for a thread of its own. `wake` makes it look at once; without it a new alert is found within 50 ms.
        """
        with DeliveryLoop(self._deliverer) as loop:
            while not stop.is_set():
                # With nothing in flight no report can come, and a request to stop need not wait for a poll.
                is_idle = loop.is_idle
                if is_idle:
                    stop.wait(POLL_S)
                loop.turn(wait_s=0.0 if is_idle else POLL_S)
                if wake is not None and wake.is_set():
                    wake.clear()
                    loop.look_again()
            loop.settle_in_flight()

    def drain(self, deadline: datetime) -> Drained:
        """Deliver until nothing can be attempted before `deadline` any more; say what is left.

        Call it once `run` has returned, or instead of it.
        """
        clock = self._deliverer.clock
        ends_at = clock.monotonic() + (deadline - clock.now()).total_seconds()
        with DeliveryLoop(self._deliverer) as loop:
            loop.turn(wait_s=0.0)
            while clock.monotonic() < ends_at and not loop.is_done(deadline):
                loop.turn(wait_s=max(0.0, min(POLL_S, ends_at - clock.monotonic())))
            loop.settle_in_flight()
            return loop.drained()


class DeliveryLoop:
    """One activation of a deliverer; belongs to the thread that made it."""

    def __init__(self, deliverer: Deliverer) -> None:
        self._deliverer = deliverer
        self._clock = deliverer.clock
        self._pools = Pools(deliverer.open_senders, MOST_AT_ONCE)
        self._database: Database | None = None
        self._in_flight: dict[str, Job] = {}
        self._unsettled: list[Report] = []
        self._version: int | None = None
        self._next_at: datetime | None = None
        self._must_look = True
        self._release_at = 0.0
        self._give_up_at = 0.0
        self._store_paused_until = 0.0
        self._claiming = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pools.stop()
        self._close()

    @property
    def is_idle(self) -> bool:
        """Whether nothing is in flight or waits to be written down."""
        return not (self._in_flight or self._unsettled)

    def look_again(self) -> None:
        """Look at the outbox in the next turn, whatever else says that nothing changed."""
        self._must_look = True

    def turn(self, wait_s: float) -> None:
        """Wait for news this long at most; settle and claim if there is any."""
        self._collect(wait_s)
        if self._clock.monotonic() < self._store_paused_until:
            return
        try:
            if self._unsettled or self._should_look():
                self._settle_and_claim()
        except StoreReplacedError:  # in this instant; the next turn opens what lies there now
            self._must_look = True
        except StoreDamagedError as damage:
            self._repair(damage)
        except StoreError as error:
            log.warning("delivery pauses, the store failed: %s", error)
            self._pause()
        except Exception as error:  # noqa: BLE001 - the delivery loop's border: it must outlive what nobody foresaw
            # Only the kind: the text of an unforeseen error may hold a secret.
            log.error("delivery pauses, an error of its own: %s", type(error).__name__)  # noqa: TRY400 - likewise
            self._give_up_unsettled()

    def is_done(self, deadline: datetime) -> bool:
        """Return whether nothing is in flight and nothing can be attempted before the deadline."""
        if not self.is_idle or self._must_look or self._database is None:
            return False
        return self._next_at is None or self._next_at > deadline

    def settle_in_flight(self) -> None:
        """Claim nothing more and write down what comes back; what does not come in time keeps its lease."""
        self._claiming = False
        self._pools.stop()
        ends_at = self._clock.monotonic() + _LAST_WAIT_S
        while self._in_flight and self._clock.monotonic() < ends_at:
            self.turn(wait_s=0.05)

    def drained(self) -> Drained:
        deliverer, waiting = self._deliverer, None
        try:
            waiting = self._open().read(deliveries.count_waiting)
        except StoreError as error:
            log.warning("what is left in the outbox cannot be read: %s", error)
        return Drained(deliverer.delivered, deliverer.failed, waiting, self._next_at if waiting else None)

    # -- when ----------------------------------------------------------------------------------------------------------

    def _collect(self, wait_s: float) -> None:
        try:
            self._unsettled.append(self._pools.reports.get(timeout=wait_s) if wait_s > 0 else self._take_report())
            while True:
                self._unsettled.append(self._take_report())
        except queue.Empty:
            pass

    def _take_report(self) -> Report:
        return self._pools.reports.get_nowait()

    def _should_look(self) -> bool:
        if not self._claiming:
            return False
        due = self._next_at is not None and self._clock.now() >= self._next_at
        changed = self._open().data_version() != self._version
        return self._must_look or due or changed or self._clock.monotonic() >= self._release_at

    # -- one transaction -----------------------------------------------------------------------------------------------

    def _settle_and_claim(self) -> None:
        database = self._open()
        settled: list[Settled] = []
        waits: list[tuple[PartDone, float]] = []
        with database.write() as tx:
            now = self._clock.now()  # read inside: whatever others wrote with this clock is not later
            self._version = database.data_version()
            self._tend(tx, now)
            for report in self._unsettled:
                if isinstance(report, Done):
                    settled += self._settle(tx, report, now)
                else:
                    waits.append((report, self._progress(tx, report, now)))
            ended = {report.job.peer.key for report in self._unsettled if isinstance(report, Done)}
            claimed = self._claim(tx, now, ended) if self._claiming else Claimed([], self._next_at or now)
        self._committed(settled, waits, claimed, ended)

    def _progress(self, tx: Tx, report: PartDone, now: datetime) -> float:
        return self._deliverer.settler.progress(tx, report.job, report.parts_sent, report.messages, now)

    def _settle(self, tx: Tx, report: Done, now: datetime) -> list[Settled]:
        """Settle one attempt; an outcome that cannot be written keeps its lease and drops no other's."""
        if not outbox.is_here(tx, report.job.delivery):
            return []  # of a file that was lost; what came along from it has another id and is sent again
        try:
            with tx:
                settled = self._deliverer.settler.settle(tx, report.job, report.outcome, now)
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            kind, number = type(error).__name__, report.job.message.id
            log.error("alert %d: what came of it cannot be written (%s)", number, kind)  # noqa: TRY400 - no secret
            return []
        return [settled]

    def _tend(self, tx: Tx, now: datetime) -> None:
        """Do other due work: end pauses on a person's request, release what was held back, give up the old."""
        deliverer, at = self._deliverer, self._clock.monotonic()
        if not deliverer.minds_others:
            return
        if deliverer.at_once:
            rate_limits.lift_pauses(tx)
            deliveries.make_due(tx, now)
        if at >= self._release_at:
            release_in(tx, now)
            settle_in(tx, now)
            self._release_at = at + _RELEASE_EVERY_S
        if at >= self._give_up_at:
            deliverer.failed += give_up_old(tx, now, AlertOrigin(deliverer.run_id))
            self._give_up_at = at + _GIVE_UP_EVERY_S

    def _committed(
        self, settled: list[Settled], waits: list[tuple[PartDone, float]], claimed: Claimed, ended: set[str]
    ) -> None:
        """Act on what is on disk now."""
        self._unsettled.clear()
        self._must_look = False
        self._deliverer.at_once = False
        self._next_at = claimed.next_at
        for lane_key in ended:
            self._in_flight.pop(lane_key, None)
        for each in settled:
            self._deliverer.delivered += each.delivered
            if each.error:
                log.warning("%s", each.error)
        for report, wait_s in waits:
            report.reply.put(wait_s)
        for job in claimed.jobs:
            self._in_flight[job.peer.key] = job
            self._pools.give(job, sum(each.peer.kind == job.peer.kind for each in self._in_flight.values()))

    def _claim(self, tx: Tx, now: datetime, ended: set[str]) -> Claimed:
        """Claim for free lanes; what has no way is ended or marked first, so that no group hides another."""
        deliverer = self._deliverer
        deliverer.ways.moved_chats = rate_limits.moved_chats(tx)
        queues, rest = deliverer.ways.sort_out(outbox.groups(tx, deliverer.own))
        split_up = [deliverer.settler.without_way(tx, group, way, now) for group, way in rest]
        if any(split_up):
            queues, _ = deliverer.ways.sort_out(outbox.groups(tx, deliverer.own))
        if deliverer.minds_others:
            used = {key for line in queues for key in (line.peer.key, line.peer.shared_key)}
            forget_unused(tx, used, {group.destination.partition(" ")[0] for group, _ in rest}, now)
        in_flight = [job.peer for key, job in self._in_flight.items() if key not in ended]
        return deliverer.claimer.claim(tx, queues, now, in_flight)

    # -- the store -----------------------------------------------------------------------------------------------------

    def _open(self) -> Database:
        if self._database is None:
            self._database, _ = open_or_repair(self._deliverer.path, self._clock)
            self._must_look = True
        elif not self._database.is_current():
            self._database = lost.reopen(self._database, self._clock)
            self._must_look = True
        return self._database

    def _repair(self, damage: StoreDamagedError) -> None:
        self._must_look = True
        try:
            self._database, _ = repair(self._deliverer.path, self._clock.now(), str(damage), opened=self._database)
        except StoreReplacedError:
            pass  # another process did it meanwhile; the next turn opens its file
        except StoreError as error:
            log.error("the database is damaged and cannot be set aside: %s", error)  # noqa: TRY400 - one line
            self._pause()

    def _give_up_unsettled(self) -> None:
        """Leave what came back to its lease: it is sent again then, which is better than a loop that stands still."""
        for report in self._unsettled:
            if isinstance(report, Done):
                self._in_flight.pop(report.job.peer.key, None)
        self._unsettled.clear()
        self._pause()

    def _pause(self) -> None:
        if self._database is not None and self._database.is_current():
            self._close()
        self._store_paused_until = self._clock.monotonic() + _STORE_PAUSE_S

    def _close(self) -> None:
        if self._database is not None:
            lost.close(self._database, self._clock)
            self._database = None
        self._version = None
