"""Delivers while a run goes on, and after it until its next tick is near.

Called by the runner. What is needed for it is loaded by the first delivery, never before the first task.
"""

from __future__ import annotations

import fcntl
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from automation.executor.reaper import StopRequest
from automation.jobs.model import Profile
from automation.runner.run_record import RunRecord
from monitoring.base.clock import Clock
from monitoring.base.locks.profile_lock import FileLock
from monitoring.base.settings import Settings
from monitoring.store.db.database import Database
from monitoring.store.tables.deliveries import count_waiting

if TYPE_CHECKING:
    from monitoring.alerts.delivery.loop import Delivery, Drained

log = logging.getLogger("automation.runner.run_delivery")

# How long a run waits for its alerts to arrive before it pings the heartbeat.
FIRST_DRAIN = timedelta(seconds=20)
# A run by hand does not keep the terminal; what is left goes out with the next run or `deliver`.
BY_HAND_DRAIN = timedelta(seconds=45)
_BEFORE_NEXT_TICK = timedelta(seconds=15)
_CHECK_STOP_S = 5.0
# What delivers takes longer to load than many a run takes, and its tasks start at the same time: they come first.
_LOADED_AFTER_S = 0.25


class RunDelivery:
    """The delivery of one run."""

    def __init__(self, settings: Settings, record: RunRecord, clock: Clock, jobs_file: Path) -> None:
        self._settings = settings
        self._jobs_file = jobs_file
        self._record = record
        self._clock = clock
        self._deliverer: Delivery | None = None
        self._has_drained = False

    @contextmanager
    def in_background(self) -> Iterator[None]:
        """Deliver alerts while the block runs, from the first one stored; of a short one `drain` delivers them."""
        stop = threading.Event()

        def deliver() -> None:
            if not stop.wait(_LOADED_AFTER_S):
                self._loaded().run(stop)

        thread = threading.Thread(target=deliver, name="delivery", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def drain(self, limit: timedelta = FIRST_DRAIN) -> Drained | None:
        """Deliver what can be delivered within the limit; None without a store, or when nothing waits."""
        if self._record.trouble is not None or not self._has_work():
            return None
        drained = self._loaded().drain(self._clock.now() + limit)
        self._has_drained = True
        if drained.waiting:
            from automation.runner import outgoing  # noqa: PLC0415 - it says why

            outgoing.load_senders()
        return drained

    def drain_until(self, until: datetime, stop: StopRequest) -> Drained | None:
        """Keep delivering until nothing is left that time can bring, or `until`, or a stop."""
        while True:
            now = self._clock.now()
            drained = self.drain(min(timedelta(seconds=_CHECK_STOP_S), max(until - now, timedelta(0))))
            if drained is None or not drained.waiting or drained.next_attempt_at is None:
                return drained
            wait_until = min(drained.next_attempt_at, until - _BEFORE_NEXT_TICK)
            if wait_until <= now or stop.wait(min((wait_until - now).total_seconds(), _CHECK_STOP_S)):
                return drained

    def drain_before_next_tick(self, until: datetime, stop: StopRequest, only_one: FileLock | None) -> None:
        """Go on delivering after the run, until then at most; of the runs that share a lock one does it for all.

        What was stored while the one ended is looked for once more: the run that stored it has left it to that one.
        """
        left = 0
        while (waiting := self._count_waiting()) > left and not stop.is_made():
            if only_one is not None and not _take(only_one):
                log.info("alerts that still wait to be delivered: %d; another run goes on with them", waiting)
                return
            drained = self.drain_until(until, stop)
            if only_one is not None:
                only_one.release()
            if self._record.trouble is not None or (drained is not None and drained.waiting is None):
                return
            left = (drained.waiting or 0) if drained is not None else 0
        if left:
            log.warning("alerts that still wait to be delivered: %d; the next run or `deliver` sends them", left)

    def _has_work(self) -> bool:
        """Look for all that may be due until one drain has done it; the run may end while its deliverer is loaded."""
        if self._has_drained:
            return self._count_waiting() > 0
        from monitoring.store.queries.delivery_work import has_work  # noqa: PLC0415 - no first line of a task waits

        found = [True]  # a store that cannot be read says nothing

        def act(database: Database) -> None:
            with database.write() as tx:
                found[:] = [has_work(tx, self._clock.now())]

        try:
            self._record.read(act)
        except Exception as error:  # noqa: BLE001 - a row that cannot be read stops no run: delivery has the same border
            log.warning("what is due cannot be read (%s), so delivery looks", type(error).__name__)
        return found[0]

    def _count_waiting(self) -> int:
        waiting = [1]  # a store that cannot be read says nothing

        def act(database: Database) -> None:
            waiting[:] = [database.read(count_waiting)]

        self._record.read(act)
        return waiting[0]

    def _loaded(self) -> Delivery:
        """Return the one deliverer of this run: it counts what it did."""
        if self._deliverer is None:
            from automation.runner import outgoing  # noqa: PLC0415 - it says why

            settings = outgoing.with_people(self._settings, self._jobs_file)
            self._deliverer = outgoing.Delivery(settings, settings.database, self._clock, run_id=self._record.run_id)
        return self._deliverer


def last_delivery(profile: Profile, trigger: str, now: datetime) -> datetime:
    """Return until when a run may go on delivering after its end: its next tick is near; by hand, a moment."""
    return now + BY_HAND_DRAIN if trigger == "manual" else profile.cron.next_after(now) - _BEFORE_NEXT_TICK


def _take(lock: FileLock) -> bool:
    """Return whether nobody else has the lock; a file that cannot be opened keeps nobody from delivering."""
    try:
        return lock.take(fcntl.LOCK_EX)
    except OSError:
        return True
