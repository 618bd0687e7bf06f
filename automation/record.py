"""The row of one run, written as it happens; a run whose ledger cannot be written still runs, and says so.

Called by the runner only. Nothing here raises for the store's sake: checks go on without it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

from automation.task import TaskResult
from monitoring.clock import Clock
from monitoring.errors import StoreError
from monitoring.ledger.cron import Cron
from monitoring.ledger.reconcile import Reconciled, reconcile
from monitoring.ledger.ticks import nearby, still_going, tick_for
from monitoring.ledger.unrecorded import Note, prepare, write_note
from monitoring.process import THIS_HOST, Host
from monitoring.store import lost, runs, schedules
from monitoring.store.database import Database, StoreDamagedError, StoreReplacedError
from monitoring.store.repair import Repair, open_or_repair, repair
from monitoring.store.runs import Run, RunStatus, TaskRun
from monitoring.store.schedules import Schedule

log = logging.getLogger("automation.record")
# A store that others keep busy holds a check up by this much at most, once a write.
_BUSY_TIMEOUT_S = 10.0


class RunRecord:
    """The rows of one run and its tasks.

    `trouble` says why the ledger could not be written, `repairs` what was mended on the way; `opened_schedule` that
    the ledger knew no schedule of this profile, as after the loss of its database.
    """

    def __init__(
        self,
        database_path: Path,
        profile: str,
        trigger: str,
        clock: Clock,
        started_at: datetime,
        host: Host = THIS_HOST,
    ) -> None:
        self.run_id: int | None = None
        self.tick_at: datetime | None = None
        self.trouble: str | None = None
        self.repairs: list[Repair] = []
        self.opened_schedule = False
        self._path = database_path
        self._profile = profile
        self._trigger = trigger
        self._clock = clock
        self._started_at = started_at
        self._host = host
        self._database: Database | None = None
        self._begun: tuple[str, int] = ("", 0)
        self._unwritten: tuple[RunStatus, str] | None = None

    def begin(self, schedule: Schedule | None, tick_at: datetime | None, revision: str, tasks_total: int) -> None:
        """Insert the row of this run, with the tick it answers when a scheduler started it.

        `tick_at` is the tick the scheduler named (`up` knows it); a cron daemon does not say, so there it is
        the unanswered tick nearest to the start. Without a `schedule` (jobs.yaml cannot be read) the one in
        force decides.
        """
        self._begun = (revision, tasks_total)
        self._attempt(lambda database: self._begin(database, schedule, tick_at))

    def reconcile(self) -> Reconciled:
        """Close abandoned runs, write the rows of ticks nobody ran, and return both."""
        found = Reconciled([], [])

        def act(database: Database) -> None:
            nonlocal found
            found = reconcile(database, now=self._clock.now(), boot=self._host.boot(), is_alive=self._host.is_alive)
            prepare(self._path.parent, self._clock.now())

        self._attempt(act)
        return found

    def disabled(self, tick_at: datetime | None) -> None:
        """Note that the profile was switched off in jobs.yaml while the scheduler still starts it: no tick is due."""

        def act(database: Database) -> None:
            at = self._just_before(tick_at or self._nearest_tick(database, None))
            with database.write() as tx:
                schedules.record_enabled(tx, self._profile, at, f"run by {self._trigger}", enabled=False)

        if self.is_scheduled:
            self._attempt(act)

    def schedules_found(self, found: Iterable[Schedule]) -> None:
        """Put into force what the scheduler serves beside this profile, in a ledger that knows of none."""

        def act(database: Database) -> None:
            with database.write() as tx:
                for schedule in found:
                    schedules.record_one(tx, schedule, self._just_before(self.tick_at), f"run by {self._trigger}")

        self._attempt(act)

    def task_started(self, name: str) -> None:
        self._in_run(lambda database, run_id: _begin_task(database, run_id, name, self._clock.now()))

    def task_ended(self, result: TaskResult) -> None:
        self._in_run(lambda database, run_id: _record_task(database, run_id, result))

    def finish(self, status: RunStatus, exit_code: int, reason: str) -> None:
        """Close the row; what cannot be written is noted when the record is closed."""
        if not self._in_run(lambda database, run_id: self._finish(database, run_id, status, exit_code, reason)):
            self._unwritten = (status, reason)

    def skipped(self, tick_at: datetime | None, holder: str) -> None:
        """Write the row of a tick that found its profile still running, unless that run answers the tick itself."""
        self.tick_at = tick_at
        if not self._attempt(lambda database: self._skipped(database, tick_at, holder)):
            self._unwritten = ("skipped", _still_running(holder))

    def not_started(self, tick_at: datetime, status: Literal["skipped", "missed"], reason: str) -> None:
        """Write the row of a tick that the embedded scheduler did not start."""

        def act(database: Database) -> None:
            going = self._going(database) if status == "skipped" else None
            why, held_by = (still_going(going), going.id) if going else (reason, None)
            with database.write() as tx:
                runs.insert_unserved(tx, self._profile, tick_at, status, reason=why, held_by=held_by)

        self.tick_at = tick_at
        if not self._attempt(act):
            self._unwritten = (status, reason)

    def with_database(self, act: Callable[[Database], None]) -> None:
        """Do something else with the same database under the same rule: no store, no harm."""
        self._attempt(act)

    def close(self) -> None:
        """Let go of the database; what it could not take is left as a note for whoever can write it."""
        self._disconnect()
        if self._unwritten is not None:
            self._leave_note(*self._unwritten)
            self._unwritten = None

    def _leave_note(self, status: RunStatus, reason: str) -> None:
        revision, tasks_total = self._begun
        note = Note(
            profile=self._profile,
            trigger=self._trigger,
            tick_at=self.tick_at,
            started_at=self._started_at,
            ended_at=self._clock.now(),
            status=status,
            reason=reason,
            trouble=self.trouble or "",
            process=str(self._host.process()),
            revision=revision,
            tasks_total=tasks_total,
        )
        place = write_note(note, self._path.parent)
        log.log(
            logging.WARNING if place else logging.ERROR, "what the ledger lacks is noted in %s", place or "no place"
        )

    def _disconnect(self) -> None:
        if self._database is not None:
            lost.close(self._database, self._clock)
            self._database = None

    def _begin(self, database: Database, schedule: Schedule | None, tick_at: datetime | None) -> None:
        self.tick_at = self.tick_at or tick_at or self._nearest_tick(database, schedule)
        if schedule is not None and self.is_scheduled:
            at, by = self._just_before(self.tick_at), f"run by {self._trigger}"
            with database.write() as tx:
                self.opened_schedule = schedules.record_one(tx, schedule, at, by)
                schedules.record_enabled(tx, self._profile, at, by, enabled=True)
        self.run_id = self._insert(database)

    @property
    def is_scheduled(self) -> bool:
        """Tell whether a scheduler started the run at a tick."""
        return self._trigger in ("cron", "embedded")

    def _just_before(self, tick_at: datetime | None) -> datetime:
        """A schedule owes the ticks after the instant it takes effect: this one too."""
        return (tick_at or self._started_at) - timedelta(microseconds=1)

    def _insert(self, database: Database) -> int:
        revision, tasks_total = self._begun
        with database.write() as tx:
            return runs.begin(
                tx,
                self._profile,
                tick_at=self.tick_at,
                trigger=self._trigger,
                now=self._started_at,
                process=str(self._host.process()),
                revision=revision,
                tasks_total=tasks_total,
            )

    def _nearest_tick(self, database: Database, schedule: Schedule | None) -> datetime | None:
        """Find the tick a start by the cron daemon answers; by the schedule in force, which is what it was told."""
        if self._trigger != "cron":
            return None
        cron = schedules.cron_in_force(database, self._profile) or (schedule.cron if schedule else None)
        if cron is None:
            return None
        after, until = nearby(self._started_at)
        answered = runs.answered_ticks(database, self._profile, after, until, but_missed=True)
        return tick_for(Cron.parse(cron), self._started_at, answered)

    def _finish(self, database: Database, run_id: int, status: RunStatus, exit_code: int, reason: str) -> None:
        with database.write() as tx:
            runs.finish(tx, run_id, status, exit_code=exit_code, reason=reason, now=self._clock.now())

    def _skipped(self, database: Database, tick_at: datetime | None, holder: str) -> None:
        tick_at = tick_at or self._nearest_tick(database, None)
        if tick_at is None:
            return
        going = self._going(database)
        reason = still_going(going) if going else _still_running(holder)
        with database.write() as tx:
            held_by = going.id if going else None
            runs.insert_unserved(tx, self._profile, tick_at, "skipped", reason=reason, held_by=held_by)

    def _going(self, database: Database) -> Run | None:
        found = [run for run in runs.running(database) if run.profile == self._profile]
        return found[-1] if found else None

    def _in_run(self, act: Callable[[Database, int], None]) -> bool:
        """Do something to the row of this run; False if there is none, or it cannot be written."""

        def on_row(database: Database) -> None:
            if self.run_id is not None:
                act(database, self.run_id)

        return self._attempt(on_row) and self.run_id is not None

    def _attempt(self, act: Callable[[Database], None]) -> bool:
        """Do it; a database that was replaced or damaged meanwhile is opened anew, once. False: it was not done."""
        try:
            try:
                act(self._open())
            except StoreReplacedError as error:
                log.warning("the database is opened again: %s", error)
                act(self._open())
            except StoreDamagedError as error:
                log.warning("the database is repaired: %s", error)
                self._repair(str(error))
                act(self._with_row(self._open()))
        except StoreError as error:
            if self.trouble is None:
                log.error("the ledger cannot be written: %s", error)  # noqa: TRY400 - one line for the operator
            self.trouble = str(error)
            return False
        return True

    def _open(self) -> Database:
        if self._database is None:
            self._database, repaired = open_or_repair(self._path, self._clock, busy_timeout_s=_BUSY_TIMEOUT_S)
            if repaired:
                self.repairs.append(repaired)
        elif not self._database.is_current():
            self._database = lost.reopen(self._database, self._clock, busy_timeout_s=_BUSY_TIMEOUT_S)
            self._with_row(self._database)
        return self._database

    def _repair(self, reason: str) -> None:
        with suppress(StoreReplacedError):  # another process did it meanwhile; `_open` sees it
            self._database, repaired = repair(
                self._path, self._clock.now(), reason, opened=self._database, busy_timeout_s=_BUSY_TIMEOUT_S
            )
            if repaired:
                self.repairs.append(repaired)

    def _with_row(self, database: Database) -> Database:
        """Give this run a row in a file that took the place of another."""
        if self.run_id is not None and runs.get(database, self.run_id) is None:
            self.run_id = self._insert(database)
        return database


def _still_running(holder: str) -> str:
    return f"the profile was still running ({holder})"


def _begin_task(database: Database, run_id: int, name: str, now: datetime) -> None:
    with database.write() as tx:
        runs.begin_task(tx, run_id, name, now)


def _record_task(database: Database, run_id: int, result: TaskResult) -> None:
    row = TaskRun(
        run_id=run_id,
        name=result.name,
        status=result.status.value,
        reason=result.reason,
        started_at=result.started_at,
        ended_at=result.ended_at,
        duration_s=result.duration_s,
        exit_code=result.exit_code,
        signal=result.signal,
        attempts=result.attempts,
        cpu_s=result.cpu_s,
        peak_rss_bytes=result.peak_rss_bytes,
        output_bytes=result.output_bytes,
        output_tail=result.output_tail,
    )
    with database.write() as tx:
        runs.record_task(tx, row)
