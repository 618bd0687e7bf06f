"""The row of one run, written as it happens; a run whose ledger cannot be written still runs, and says so.

Called by the runner only. Nothing here raises for the store's sake: checks go on without it. What cannot be written is
owed, and written with the end of the run: a store that others keep busy for a while is not a broken one.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

from automation.executor.task import TaskResult
from automation.runner.run_ledger import Act, Ledger
from monitoring.base.clock import Clock
from monitoring.base.errors import StoreError
from monitoring.base.locks.profile_lock import holds_removed
from monitoring.base.process_identity import THIS_HOST, Host, ProcessId, boot_of
from monitoring.base.secrets.redact import redact
from monitoring.ledger.causes import LEAST_STEP
from monitoring.ledger.clock_steps import answered_ahead, set_back_while_waiting
from monitoring.ledger.cron import Cron
from monitoring.ledger.reconcile import Reconciled, reconcile
from monitoring.ledger.spool import SpooledRun, prepare, write_note
from monitoring.ledger.ticks import nearby, start_for, still_going, tick_for
from monitoring.store.db.database import Database
from monitoring.store.db.recorded_time import Asker, give_up_tick
from monitoring.store.maintenance.repair import Repair
from monitoring.store.people import pauses
from monitoring.store.people.pauses import Pause
from monitoring.store.spool import unstored
from monitoring.store.tables import runs, schedules
from monitoring.store.tables.runs import RunRow, RunStatus, TaskRun
from monitoring.store.tables.schedules import Schedule

log = logging.getLogger("automation.runner.run_record")
# A store that others keep busy holds a check up by this much at most, once a write.
_BUSY_TIMEOUT_S = 10.0


class RunRecord:
    """The rows of one run and its tasks.

    `trouble` says why the ledger cannot be written; that it is busy is none. `repairs` are those made on the way;
    `opened_schedule` says that the ledger knew no schedule of this profile, as after the loss of its database.
    """

    def __init__(
        self,
        database_path: Path,
        profile: str,
        trigger: str,
        clock: Clock,
        started_at: datetime,
        host: Host = THIS_HOST,
        *,
        busy_timeout_s: float = _BUSY_TIMEOUT_S,
    ) -> None:
        self.run_id: int | None = None
        self.tick_at: datetime | None = None
        self.opened_schedule = False
        self._path = database_path
        self._profile = profile
        self._trigger = trigger
        self._clock = clock
        self._started_at = started_at
        self._host = host
        self._begun: tuple[str, int] = ("", 0)
        self._unwritten: tuple[RunStatus, str] | None = None
        self._end: Act | None = None
        self._ledger = Ledger(database_path, clock, busy_timeout_s, self._row_again)

    @property
    def trouble(self) -> str | None:
        return self._ledger.trouble

    @property
    def repairs(self) -> list[Repair]:
        return self._ledger.repairs

    def begin(self, schedule: Schedule | None, tick_at: datetime | None, revision: str, tasks_total: int) -> None:
        """Insert the row of this run, with the tick it answers when a scheduler started it.

        `tick_at` is the tick the scheduler named (`up` knows it); a cron daemon does not say, so there it is
        the newest unanswered tick at or before the start. Without a `schedule` (jobs.yaml cannot be read) the one in
        force decides.
        """
        self._begun = (revision, tasks_total)
        self._ledger.owe(lambda database: self._begin(database, schedule, tick_at))
        self._ledger.migrate()

    def reconcile(self) -> Reconciled:
        """Close abandoned runs, write the rows of ticks nobody ran, and return both."""
        found = Reconciled([], [])

        def act(database: Database) -> None:
            nonlocal found
            now, me = self._clock.now(), Asker(str(self._host.process()), self.tick_at)
            found = reconcile(database, now=now, boot=self._host.boot(), is_alive=self._host.is_alive, me=me)
            prepare(self._path.parent, self._clock.now())
            unstored.prepare(self._path.parent)

        self.read(act)
        return found

    def disabled(self, tick_at: datetime | None) -> None:
        """Note that the profile was switched off in jobs.yaml while the scheduler still starts it: no tick is due."""

        def act(database: Database) -> None:
            at = self._just_before(tick_at or self._tick_of_start(database, None))
            with database.write() as tx:
                schedules.record_enabled(tx, self._profile, at, f"run by {self._trigger}", enabled=False)

        if self.is_scheduled:
            self._ledger.owe(act)

    def schedules_found(self, found: Iterable[Schedule]) -> None:
        """Put into force what the scheduler serves next to this profile, in a ledger without schedules."""

        def act(database: Database) -> None:
            with database.write() as tx:
                for schedule in found:
                    schedules.record_one(tx, schedule, self._just_before(self.tick_at), f"run by {self._trigger}")

        self._ledger.owe(act)

    def task_started(self, name: str) -> None:
        now = self._clock.now()
        self._in_run(lambda database, run_id: _begin_task(database, run_id, name, now))

    def task_ended(self, result: TaskResult) -> None:
        self._in_run(lambda database, run_id: _record_task(database, run_id, result))

    def finish(self, status: RunStatus, exit_code: int, reason: str) -> None:
        """Close the row and write what is owed; what still cannot be written is noted when the record is closed."""
        now = self._clock.now()

        def act(database: Database) -> None:
            with database.write() as tx:
                runs.finish(tx, self._row(), status, exit_code=exit_code, reason=redact(reason), now=now)

        self._end = act
        self._owe_end(status, reason, act)

    def skipped(self, tick_at: datetime | None, holder: str) -> None:
        """Write the row of a tick that found its profile still running, unless that run answers the tick itself."""
        self.tick_at = tick_at
        self._owe_end("skipped", _still_running(holder), lambda database: self._skipped(database, tick_at, holder))

    def paused(self, tick_at: datetime | None, pause: Pause) -> None:
        """Write the row of a tick whose profile is paused, and count it."""

        def act(database: Database) -> None:
            at = tick_at or self._tick_of_start(database, None)
            if at is None:
                return
            with database.write() as tx:
                if runs.insert_unserved(tx, self._profile, at, "skipped", reason=redact(pause.why()), held_by=None):
                    pauses.count(tx, pause.id)

        self.tick_at = tick_at
        self._owe_end("skipped", pause.why(), act)

    def pauses(self) -> list[Pause]:
        """Return what is paused now; nothing where that cannot be read: then everything runs."""
        found: list[Pause] = []

        def act(database: Database) -> None:
            found[:] = database.read(lambda tx: pauses.active(tx, self._clock.now()))

        self.read(act)
        return found

    def count_paused(self, pause: Pause) -> None:
        """Count one task that a pause held back."""

        def act(database: Database) -> None:
            with database.write() as tx:
                pauses.count(tx, pause.id)

        self.with_database(act)

    def not_started(self, tick_at: datetime, status: Literal["skipped", "missed"], reason: str) -> None:
        """Write the row of a tick that the embedded scheduler did not start."""

        def act(database: Database) -> None:
            going = self._going(database) if status == "skipped" else None
            why, held_by = (still_going(going), going.id) if going else (reason, None)
            with database.write() as tx:
                runs.insert_unserved(tx, self._profile, tick_at, status, reason=why, held_by=held_by)

        self.tick_at = tick_at
        self._owe_end(status, reason, act)

    def run_without_its_lock(self, lock: Path) -> str:
        """Name the run of this profile that goes on although its lock file was removed; empty if there is none."""
        found: list[RunRow] = []

        def act(database: Database) -> None:
            me = str(self._host.process())
            others = [run for run in runs.running(database) if run.profile == self._profile and run.process != me]
            found.extend(run for run in others if run.process and self._host.is_alive(run.process))

        self.read(act)
        names = [f"run {run.id}, whose lock file was removed" for run in found if _holds_removed(run, lock)]
        return names[0] if names else ""

    def with_database(self, act: Act) -> None:
        """Write something else to the same database, now or with the end of the run; it may be called twice."""
        self._ledger.owe(act)

    def read(self, act: Act) -> bool:
        """Do something with the same database now; False if that is not possible."""
        return self._ledger.attempt(act)

    def close(self) -> None:
        """Let go of the database; what it could not take is left as a note for a process that can write it."""
        self._ledger.write_owed()
        self._disconnect()
        if self._unwritten is not None:
            self._leave_note(*self._unwritten)
            self._unwritten = None

    def _leave_note(self, status: RunStatus, reason: str) -> None:
        revision, tasks_total = self._begun
        note = SpooledRun(
            profile=self._profile,
            trigger=self._trigger,
            tick_at=self.tick_at,
            started_at=self._started_at,
            ended_at=self._clock.now(),
            status=status,
            reason=redact(reason),
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
        self._ledger.close()

    def _begin(self, database: Database, schedule: Schedule | None, tick_at: datetime | None) -> None:
        self.tick_at = self.tick_at or tick_at or self._tick_of_start(database, schedule)
        if self.tick_at is not None:
            self._started_at = start_for(self.tick_at, self._started_at)
        if schedule is not None and self.is_scheduled:
            at, by = self._just_before(self.tick_at), f"run by {self._trigger}"
            with database.write() as tx:
                self.opened_schedule = schedules.record_one(tx, schedule, at, by)
                schedules.record_enabled(tx, self._profile, at, by, enabled=True)
        self.run_id = self._insert(database)

    @property
    def is_scheduled(self) -> bool:
        """Return whether a scheduler started the run at a tick."""
        return self._trigger in ("cron", "embedded")

    def _just_before(self, tick_at: datetime | None) -> datetime:
        """A schedule owes the ticks after the instant it takes effect: this one too."""
        return (tick_at or self._started_at) - timedelta(microseconds=1)

    def _insert(self, database: Database) -> int:
        revision, tasks_total = self._begun
        comes_again = self._is_answered_ahead(database)
        with database.write() as tx:
            if self.tick_at and comes_again:
                give_up_tick(tx, self._profile, self.tick_at)
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

    def _is_answered_ahead(self, database: Database) -> bool:
        """Return whether the tick has a run only by a clock that has been set back since."""
        if self.tick_at is None:
            return False
        boot = boot_of(self._host.process(), self._started_at)
        just_before = self.tick_at - timedelta(microseconds=1)
        return self.tick_at in answered_ahead(database, self._profile, just_before, self.tick_at, boot)

    def _tick_of_start(self, database: Database, schedule: Schedule | None) -> datetime | None:
        """Find the tick a start by the cron daemon answers; by the schedule in force, which is what it serves."""
        if self._trigger != "cron":
            return None
        cron = schedules.cron_in_force(database, self._profile) or (schedule.cron if schedule else None)
        if cron is None:
            return None
        after, until = nearby(self._started_at)
        boot = boot_of(self._host.process(), self._started_at)
        set_back = set_back_while_waiting(database, self._profile, boot)
        # By a clock that has just been set back a tick called missed is one of another day.
        is_sure = set_back < LEAST_STEP
        answered = runs.answered_ticks(database, self._profile, after, until, but_missed=is_sure)
        if is_sure:
            answered -= answered_ahead(database, self._profile, after, until, boot)
        return tick_for(Cron.parse(cron), self._started_at, answered, set_back)

    def _skipped(self, database: Database, tick_at: datetime | None, holder: str) -> None:
        tick_at = tick_at or self._tick_of_start(database, None)
        if tick_at is None:
            return
        going = self._going(database)
        reason = still_going(going) if going else _still_running(holder)
        with database.write() as tx:
            held_by = going.id if going else None
            runs.insert_unserved(tx, self._profile, tick_at, "skipped", reason=reason, held_by=held_by)

    def _going(self, database: Database) -> RunRow | None:
        found = [run for run in runs.running(database) if run.profile == self._profile]
        return found[-1] if found else None

    def _in_run(self, act: Callable[[Database, int], None]) -> None:
        self._ledger.owe(lambda database: act(database, self._row()))

    def _row(self) -> int:
        """Return the id of this run's row.

        Raises:
            StoreError: it could not be written yet.
        """
        if self.run_id is None:
            raise StoreError("this run has no row yet")
        return self.run_id

    def _owe_end(self, status: RunStatus, reason: str, act: Act) -> None:
        def end(database: Database) -> None:
            act(database)
            self._unwritten = None

        self._unwritten = (status, reason)
        self._ledger.owe(end, is_last=True)

    def _row_again(self, database: Database) -> None:
        """Give this run a row in a database that is there in the place of the one it began in."""
        if self.run_id is not None and runs.get(database, self.run_id) is None:
            self.run_id = self._insert(database)
            # The last drain may be what finds the damage: the row had its end already.
            if self._end is not None:
                self._end(database)


def _holds_removed(run: RunRow, lock: Path) -> bool:
    try:
        return holds_removed(ProcessId.parse(run.process or ""), lock)
    except ValueError:
        return False


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
        reason=redact(result.reason),
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
