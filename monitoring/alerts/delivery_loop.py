"""The loop behind `Delivery`: one thread owns the database and decides, `workers` talk to the far sides.

Several loops may run at once, in one process or many: leases and the pace stand in the store. Each turn settles what
came back and claims what comes next in one write transaction.
"""

from __future__ import annotations

import logging
import queue
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Self

from monitoring.alerts.claims import Claimed, Claimer, Job
from monitoring.alerts.record import release_in
from monitoring.alerts.settling import Settled, Settler
from monitoring.alerts.ways import End, LaneQueue, Split, Ways
from monitoring.alerts.workers import Done, PartDone, Report, Sending, Workers
from monitoring.clock import Clock
from monitoring.errors import StoreError
from monitoring.store import deliveries, lanes, lost
from monitoring.store.database import Database, StoreDamagedError, StoreReplacedError, Tx
from monitoring.store.deliveries import Group
from monitoring.store.repair import open_or_repair, repair

log = logging.getLogger("monitoring.delivery")

_RELEASE_EVERY_S = 1.0  # how soon the end of a silence is noticed
_STORE_PAUSE_S = 1.0  # after the store failed
_REFUSED_FOR_S = 600.0  # how long this process leaves a refused token alone; a new process tries at once
_MOST_AT_ONCE = 8  # far sides talked to at the same time
_LAST_WAIT_S = 20.0  # for messages in flight when told to stop: longer than any sender takes


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
    """What one deliverer is made of and has done; it outlives its loops."""

    path: Path
    clock: Clock
    ways: Ways
    claimer: Claimer
    settler: Settler
    open_senders: Callable[[], Sending]
    run_id: int | None
    delivered: int = 0
    failed: int = 0
    refused_until: dict[str, float] = field(default_factory=dict)

    def refused_lanes(self) -> set[str]:
        """Return the lanes whose credentials were not accepted a moment ago."""
        now = self.clock.monotonic()
        return {lane for lane, until in self.refused_until.items() if until > now}

    def count(self, settled: Settled) -> None:
        self.delivered += settled.delivered
        self.failed += settled.failed
        if settled.refused:
            self.refused_until[settled.refused] = self.clock.monotonic() + _REFUSED_FOR_S


class DeliveryLoop:
    """One activation of a deliverer; belongs to the thread that made it."""

    def __init__(self, deliverer: Deliverer) -> None:
        self._deliverer = deliverer
        self._clock = deliverer.clock
        self._workers = Workers(deliverer.open_senders, _MOST_AT_ONCE)
        self._database: Database | None = None
        self._in_flight: dict[str, Job] = {}
        self._unsettled: list[Report] = []
        self._version: int | None = None
        self._next_at: datetime | None = None
        self._must_look = True
        self._release_at = 0.0
        self._store_paused_until = 0.0
        self._claiming = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._workers.stop()
        self._close()

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
        """Tell whether nothing is in flight and nothing can be attempted before the deadline."""
        if self._in_flight or self._unsettled or self._must_look or self._database is None:
            return False
        return self._next_at is None or self._next_at > deadline

    def settle_in_flight(self) -> None:
        """Claim nothing more and write down what comes back; what does not come in time keeps its lease."""
        self._claiming = False
        self._workers.stop()
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
            self._unsettled.append(self._workers.reports.get(timeout=wait_s) if wait_s > 0 else self._take_report())
            while True:
                self._unsettled.append(self._take_report())
        except queue.Empty:
            pass

    def _take_report(self) -> Report:
        return self._workers.reports.get_nowait()

    def _should_look(self) -> bool:
        if not self._claiming:
            return False
        due = self._next_at is not None and self._clock.now() >= self._next_at
        changed = self._open().data_version() != self._version
        return self._must_look or due or changed or self._clock.monotonic() >= self._release_at

    # -- one transaction -----------------------------------------------------------------------------------------------

    def _settle_and_claim(self) -> None:
        database = self._open()
        now = self._clock.now()
        settled: list[Settled] = []
        waits: list[tuple[PartDone, float]] = []
        with database.write() as tx:
            self._version = database.data_version()
            for report in self._unsettled:
                if isinstance(report, Done):
                    if not deliveries.is_here(tx, report.job.delivery):
                        continue  # of a file that was lost; what came along from it has another id and is sent again
                    settled.append(self._deliverer.settler.settle(tx, report.job, report.outcome, now))
                else:
                    waits.append((report, self._deliverer.settler.progress(tx, report.job, report.parts_sent, now)))
            self._release(tx, now)
            ended = {report.job.lane_key for report in self._unsettled if isinstance(report, Done)}
            busy = self._in_flight.keys() - ended | {each.refused for each in settled if each.refused}
            claimed = self._claim(tx, now, busy) if self._claiming else Claimed([])
        self._committed(settled, waits, claimed, ended)

    def _committed(
        self, settled: list[Settled], waits: list[tuple[PartDone, float]], claimed: Claimed, ended: set[str]
    ) -> None:
        """Act on what is on disk now."""
        self._unsettled.clear()
        self._must_look = False
        self._next_at = claimed.next_at
        for lane_key in ended:
            self._in_flight.pop(lane_key, None)
        for each in settled:
            self._deliverer.count(each)
            if each.error:
                log.warning("%s", each.error)
        for report, wait_s in waits:
            report.reply.put(wait_s)
        for job in claimed.jobs:
            self._in_flight[job.lane_key] = job
            self._workers.give(job, len(self._in_flight))

    def _release(self, tx: Tx, now: datetime) -> None:
        if self._clock.monotonic() >= self._release_at:
            release_in(tx, now)
            self._release_at = self._clock.monotonic() + _RELEASE_EVERY_S

    def _claim(self, tx: Tx, now: datetime, busy: set[str]) -> Claimed:
        """Claim for free lanes; what has no way is ended or marked first, so that no group hides another."""
        deliverer = self._deliverer
        deliverer.ways.moved_chats = lanes.moved_chats(tx)
        queues, rest = deliverer.ways.sort_out(deliveries.groups(tx))
        split_up = [self._without_way(tx, group, way) for group, way in rest]
        if any(split_up):
            queues, _ = deliverer.ways.sort_out(deliveries.groups(tx))
        return self._claim_from(tx, queues, now, busy)

    def _claim_from(self, tx: Tx, queues: list[LaneQueue], now: datetime, busy: set[str]) -> Claimed:
        deliverer = self._deliverer
        slots = self._workers.most - len(busy)
        return deliverer.claimer.claim(tx, queues, now, busy=busy | deliverer.refused_lanes(), slots=slots)

    def _without_way(self, tx: Tx, group: Group, way: End | Split) -> bool:
        """Split up, end or mark a group; tell whether new deliveries came of it."""
        if isinstance(way, Split):
            alert_ids = deliveries.split_placeholder(tx, group.channel, way.destinations)
        elif way.status == "skipped_missing_credentials":
            if not deliveries.has_pending(tx, group.destination, group.channel):
                return False
            alert_ids = deliveries.finish_group(tx, group.destination, group.channel, way.status, way.why)
        elif way.status == "skipped_debug" and self._deliverer.run_id is None:
            return False
        else:
            run_id = self._deliverer.run_id if way.status == "skipped_debug" else None
            alert_ids = deliveries.finish_group(
                tx, group.destination, group.channel, way.status, way.why, run_id=run_id
            )
        deliveries.refresh_alerts(tx, alert_ids)
        return isinstance(way, Split) and bool(way.destinations)

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
                self._in_flight.pop(report.job.lane_key, None)
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
